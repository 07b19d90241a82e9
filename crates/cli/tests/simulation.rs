//! `stompbox sim`, and the scenarios of examples/simulation.

mod common;

use std::{fs, path::Path};

use common::{Serve, good, run, stompbox};
use serde_json::Value;

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/simulation");
    folder.join(name).to_str().unwrap().to_owned()
}

/// Plays a scenario: the exit code, the report, standard error.
fn play(text: &str, url: &str) -> (Option<i32>, Value, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, text).unwrap();
    let path = file.path().to_str().unwrap();
    let (code, out, errors) = run(&["sim", path, "--json", "-s", url]);
    (code, serde_json::from_str(&out).unwrap_or_default(), errors)
}

#[test]
fn the_examples_keep_their_limits() {
    let serve = Serve::start(&[]);
    for url in &serve.urls {
        let out = good(&["sim", &example("chat.toml"), "--json", "-s", url]);
        let report: Value = serde_json::from_str(&out).unwrap();
        let group = |name: &str| {
            let groups = report["groups"].as_array().unwrap();
            groups.iter().find(|it| it["name"] == name).unwrap().clone()
        };
        assert_eq!(
            (&report["lost"], &report["errors"]),
            (&0.into(), &0.into()),
            "{out}"
        );
        let talkers = group("talkers");
        // A round is a message and a request.
        assert_eq!(talkers["rounds"], talkers["sent"], "{out}");
        assert_eq!(talkers["rounds"], talkers["requests"], "{out}");
        // What is new comes to all who listen.
        let news = group("newsroom")["sent"].as_u64().unwrap();
        assert!(
            group("listeners")["received"].as_u64().unwrap() >= 6 * news,
            "{out}"
        );
        assert!(group("travellers")["rounds"].as_u64() > Some(2), "{out}");
        let out = good(&["sim", &example("orders.toml"), "--json", "-s", url]);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["groups"][0]["received"], 400, "{out}");
        assert_eq!(report["groups"][1]["sent"], 400, "{out}");
        assert_eq!(report["groups"][1]["rounds"], 200, "{out}");
    }
    let out = good(&["sim", &example("orders.toml"), "-s", &serve.urls[0]]);
    assert!(
        out.contains("checked: 0 lost, 0 doubled, 0 out of order, 0 errors\n"),
        "{out}"
    );
    // All was acknowledged.
    let left = [
        "sub",
        "/queue/sim.orders",
        "-W",
        "0.2",
        "-s",
        &serve.urls[0],
    ];
    assert_eq!(run(&left).0, Some(5));
    assert_eq!(
        good(&["sim", &example("chat.toml"), "--check"]),
        "ok: 5 groups, 14 clients\n"
    );
}

#[test]
fn templates_tell_clients_apart() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    let text = "[[group]]\nname = \"a\"\nclients = 2\nrounds = 2\n\
        steps = [{ publish = \"/queue/%g.%c.%n\", headers = { number = \"%i\" } }]\n";
    let (code, report, errors) = play(text, url);
    assert_eq!(code, Some(0), "{report} {errors}");
    for client in ["0", "1"] {
        for round in ["0", "1"] {
            let queue = format!("/queue/a.{client}.{round}");
            let out = good(&["sub", &queue, "-C", "1", "-F", "%H{number}", "-s", url]);
            assert_eq!(out, round);
        }
    }
}

#[test]
fn limits_that_are_not_kept_have_an_exit_code() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    // Half of the messages go to somebody else.
    let mut thief = stompbox(&["sub", "/queue/a", "-s", url]).spawn().unwrap();
    let text = "[[group]]\nname = \"in\"\nsetup = [{ subscribe = \"/queue/a\" }]\n\
        [[group]]\nname = \"out\"\nstart = \"300ms\"\nrounds = 1\n\
        steps = [{ publish = \"/queue/a\", count = 100 }]\n";
    let mut lost = false;
    for _ in 0..20 {
        let (code, report, errors) = play(text, url);
        lost = report["lost"].as_u64().unwrap() > 0;
        if lost {
            assert_eq!(code, Some(4), "{report}");
            assert!(
                errors.contains("lost is") && errors.contains("may be 0"),
                "{errors}"
            );
            break;
        }
    }
    assert!(lost);
    thief.kill().unwrap();
    thief.wait().unwrap();
    let (code, report, errors) = play(&format!("{text}[expect]\nreceived = 101\n"), url);
    assert_eq!((code, &report["lost"]), (Some(4), &0.into()), "{errors}");
    assert!(
        errors.contains("received is 100, and must be 101"),
        "{errors}"
    );
    let limit = format!("{text}[expect]\nlatency.p50 = \"0ms\"\nrequest.max = \"1s\"\n");
    let (code, report, errors) = play(&limit, url);
    assert_eq!(
        (code, report["broken"].as_array().unwrap().len()),
        (Some(4), 2),
        "{errors}"
    );
    // What the server refuses is an error, which may be expected.
    let refused = "[[group]]\nname = \"a\"\nrounds = 1\nsteps = [{ publish = \"/nowhere\" }]\n";
    let (code, report, errors) = play(refused, url);
    assert_eq!((code, &report["errors"]), (Some(4), &1.into()), "{errors}");
    assert!(errors.contains("/nowhere"), "{errors}");
    let expected = format!("{refused}[expect]\nerrors = \"any\"\n");
    assert_eq!(play(&expected, url).0, Some(0));
}

#[test]
fn messages_of_others_are_no_part_of_it() {
    let serve = Serve::start(&[]);
    let url = &*serve.urls[0];
    // One that looks like one of a run, with a number that would take all memory.
    let body = format!("0000{}{}", "f".repeat(12), "0".repeat(16));
    for queue in ["/queue/a", "/queue/b"] {
        good(&["pub", queue, &body, "-s", url]);
    }
    let text = "[[group]]\nname = \"in\"\nsetup = [{ subscribe = \"/queue/a\" }]\n\
        [[group]]\nname = \"out\"\nrounds = 1\nsteps = [{ publish = \"/queue/a\" }]\n";
    let (code, report, errors) = play(text, url);
    assert_eq!(code, Some(0), "{report} {errors}");
    assert_eq!(report["groups"][0]["foreign"], 1, "{report}");
    let bench = [
        "bench", "pubsub", "/queue/b", "-n", "10", "--json", "-s", url,
    ];
    let report: Value = serde_json::from_str(&good(&bench)).unwrap();
    assert_eq!(
        (&report["foreign"], &report["lost"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn what_can_not_be_played_is_told() {
    let nobody = "stomp://127.0.0.1:1";
    let (code, _, errors) = play("[[group]]\nname = \"a\"\ncolour = 1\n", nobody);
    assert!(code == Some(1) && errors.contains("colour"), "{errors}");
    assert_eq!(play("[[group]]\nname = \"a\"\n", nobody).0, Some(2));
    let (code, _, errors) = run(&["sim", "no such file"]);
    assert!(
        code == Some(1) && errors.contains("no such file"),
        "{errors}"
    );
}
