//! The clients' verbs against a RabbitMQ of Debian's package `rabbitmq-server`, which the tests start for
//! themselves, and one that is killed under load: `cargo test -p stompbox-cli --test rabbitmq -- --ignored`.

mod common;
#[path = "../../server/tests/common/rabbit.rs"]
mod rabbit;

use common::{account::account, conversation::converse};
use rabbit::Rabbit;

#[test]
#[ignore = "needs rabbitmq-server"]
fn all_clients_verbs_work_with_rabbitmq() {
    let rabbit = Rabbit::start();
    converse(&rabbit.stomp_url());
    converse(&format!("ws://127.0.0.1:{}/ws", rabbit.web()));
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn nothing_is_lost_when_rabbitmq_is_killed() {
    let mut rabbit = Rabbit::start();
    let url = rabbit.stomp_url();
    let login = ["-u", "guest", "--passcode", "guest", "--vhost", "/"];
    account(&[&["-s", &url], &login[..]].concat(), &[], || {
        rabbit.kill();
        rabbit.run();
    });
}
