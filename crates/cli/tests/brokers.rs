//! The clients' verbs against brokers of others: those that `STOMPBOX_TEST_BROKERS` names, as URLs with
//! blanks between, where `guest` may log in with the passcode `guest`:
//! `STOMPBOX_TEST_BROKERS=stomp://127.0.0.1:61613 cargo test -p stompbox-cli --test brokers -- --ignored`.

mod common;

use common::conversation::converse;

#[test]
#[ignore = "needs brokers of others"]
fn all_clients_verbs_work_with_other_brokers() {
    let urls = std::env::var("STOMPBOX_TEST_BROKERS").expect("STOMPBOX_TEST_BROKERS, with URLs");
    for url in urls.split_whitespace() {
        println!("{url}");
        converse(url);
    }
}
