#!/usr/bin/env python3
"""Two-namespace link emulator with no tc-netem: a TUN device in each netns, this process is the wire.
usage: netlab.py NSA IPA NSB IPB [--delay ms] [--jitter ms] [--loss p] [--dup p] [--reorder p] [--corrupt p] [--rate kbit] [--seed n] -- CMD...   (CMD runs in NSA)
Runs until CMD exits; removes what it made. Commands on stdin: 'loss 1.0', 'delay 200', ... change the link live."""
import argparse, fcntl, heapq, os, random, select, signal, struct, subprocess, sys, time
a=argparse.ArgumentParser()
for n in('nsa','ipa','nsb','ipb'): a.add_argument(n)
for n in('delay','jitter','loss','dup','reorder','corrupt','rate'): a.add_argument('--'+n,type=float,default=0.)
a.add_argument('--seed',type=int,default=1); i=sys.argv.index('--'); o=a.parse_args(sys.argv[1:i]); cmd=sys.argv[i+1:]
R=random.Random(o.seed); sh=lambda *c: subprocess.run(c,check=True)
def tun(name,ns,ip):
    sh('ip','netns','add',ns); fd=os.open('/dev/net/tun',os.O_RDWR|os.O_NONBLOCK)
    fcntl.ioctl(fd,0x400454ca,struct.pack('16sH14x',name.encode(),0x1001))   # IFF_TUN|IFF_NO_PI
    sh('ip','link','set',name,'netns',ns); sh('ip','-n',ns,'addr','add',ip+'/24','dev',name)
    sh('ip','-n',ns,'link','set',name,'up'); sh('ip','-n',ns,'link','set','lo','up'); return fd
fds=[]; p=None; st=dict(fwd=0,lost=0,dup=0,reord=0,corr=0)
try:
    fds=[tun('nlA%d'%(os.getpid()%9999),o.nsa,o.ipa),tun('nlB%d'%(os.getpid()%9999),o.nsb,o.ipb)]
    p=subprocess.Popen(['ip','netns','exec',o.nsa]+cmd,stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM,lambda *_: p.terminate()); print('ready',flush=True)
    q=[]; n=0; free=[0.,0.]; rd=fds+[0]
    while p.poll() is None:
        now=time.monotonic(); r,_,_=select.select(rd,[],[],min(.05,max(0,q[0][0]-now)) if q else .05); now=time.monotonic()
        if 0 in r:
            b=os.read(0,4096).decode()                                  # whole lines: whoever writes them writes little
            if not b: rd=fds
            for l in b.splitlines():
                l=l.split()
                if len(l)==2: setattr(o,l[0],float(l[1]))
        for i in(0,1):
            while True:
                try: b=os.read(fds[i],65536)
                except BlockingIOError: break
                if R.random()<o.loss: st['lost']+=1; continue
                if R.random()<o.corrupt: b=bytearray(b); b[-1]^=1<<R.randrange(8); b=bytes(b); st['corr']+=1   # TCP checksum then rejects it
                for k in range(2 if R.random()<o.dup else 1):
                    st['dup']+=k; t=now
                    if o.rate: t=max(now,free[i])+len(b)*8/(o.rate*1000); free[i]=t
                    if R.random()<o.reorder: st['reord']+=1            # skips the delay, overtakes
                    else: t+=max(0,o.delay+R.uniform(-o.jitter,o.jitter))/1000
                    heapq.heappush(q,(t,n,1-i,b)); n+=1
        while q and q[0][0]<=time.monotonic():
            _,_,j,b=heapq.heappop(q)
            try: os.write(fds[j],b); st['fwd']+=1
            except OSError: pass
finally:
    if p and p.poll() is None: p.terminate(); p.wait(5)
    for fd in fds: os.close(fd)
    for ns in(o.nsa,o.nsb): subprocess.run(['ip','netns','del',ns],stderr=subprocess.DEVNULL)
    print('stats',st,flush=True)
