//! The example that people copy, run against a broker.

use mqtt_blocking::{QoS, Wait};
use mqtt_testkit::{BrokerConfig, Server};
use redb::{Database, ReadableDatabase, ReadableTable};

use crate::support::Folder;

#[path = "../../examples/exactly_once_worker.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod exactly_once_worker;

#[test]
fn the_worker_does_each_job_once_whoever_it_is_told_by() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let folder = Folder::new();
    let work = |jobs| exactly_once_worker::run(&server.url(), "worker", folder.folder(), jobs).unwrap();
    work(0);
    // Nobody works now: the broker keeps the jobs for the session, and the worker's next life finds them.
    let client = mqtt_blocking::connect(&server.url()).unwrap();
    for job in ["sweep", "paint", "sweep"] {
        client.publish("jobs/house", job).qos(QoS::ExactlyOnce).wait().unwrap();
    }
    work(1);
    work(2);
    let results = Database::open(folder.folder().join("worker.results")).unwrap();
    let table = results.begin_read().unwrap().open_table(exactly_once_worker::RESULTS).unwrap();
    let mut done: Vec<String> = table.iter().unwrap().map(|row| row.unwrap().1.value().to_owned()).collect();
    done.sort();
    assert_eq!(done, ["PAINT", "SWEEP", "SWEEP"]);
}
