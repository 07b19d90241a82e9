//! The clients' verbs against a RabbitMQ of Debian's package `rabbitmq-server`, which the tests start for
//! themselves, and one that is killed under load: `cargo test -p stompbox-cli --test rabbitmq -- --ignored`.

mod common;

use common::{account::account, conversation::converse};
use stompbox_rabbitmq::Rabbit;

#[test]
#[ignore = "needs rabbitmq-server"]
fn all_clients_verbs_work_with_rabbitmq() {
    let rabbit = Rabbit::start().unwrap();
    converse(&rabbit.tcp());
    converse(&rabbit.ws());
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn nothing_is_lost_when_rabbitmq_is_killed() {
    let mut rabbit = Rabbit::start().unwrap();
    let url = rabbit.tcp();
    let login = ["-u", "guest", "--passcode", "guest", "--vhost", "/"];
    account(&[&["-s", &url], &login[..]].concat(), &[], || {
        rabbit.kill().unwrap();
        rabbit.run().unwrap();
    });
}
