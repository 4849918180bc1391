//! Requests and responses between clients, through every broker there is.

use std::time::Duration;

use mqtt_client_core::RequestError;
use mqtt_client_core::codec::Version;
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription};

scenarios!(requests_get_their_own_responses, a_request_that_nobody_answers_ends_in_time,);

fn requests_get_their_own_responses<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let topic = case.unique("square");
        let server = case.connect(bed.url());
        let filter = match case.version {
            Version::V5 => topic.clone(),
            Version::V311 => format!("{topic}/request/+/+"),
        };
        let mut requests = server.subscribe(&filter).unwrap();
        let clients = [case.connect(bed.url()), case.connect(bed.url())];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let seen: Vec<_> = (0..6).map(|_| requests.message()).collect();
                for request in seen.iter().rev() {
                    let number: u32 = request.text().parse().unwrap();
                    let response = server.respond(request, (number * number).to_string()).unwrap();
                    server.wait(response).unwrap();
                }
            });
            for n in 0..6_u32 {
                let client = &clients[n as usize % 2];
                let request = client.request(&topic, n.to_string());
                scope.spawn(move || {
                    assert_eq!(client.wait(request).unwrap().text(), (n * n).to_string());
                });
            }
        });
    }
}

fn a_request_that_nobody_answers_ends_in_time<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let request = client.request("nobody", "there?").timeout(Duration::from_millis(50));
    match client.wait(request) {
        Err(RequestError::TimedOut { topic }) => assert_eq!(&*topic, "nobody"),
        other => panic!("{other:?}"),
    }
}
