//! Sending and receiving while a broker breaks down, with every message accounted for.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{run, stompbox, text};

/// Messages of a run; its command says it too.
const MESSAGES: usize = 3000;

/// What a subscriber has printed: how often each number.
struct Printed {
    lines: Arc<Mutex<BTreeMap<usize, usize>>>,
    different: Arc<AtomicUsize>,
    reader: JoinHandle<()>,
}

impl Printed {
    fn of(out: ChildStdout) -> Self {
        let lines = Arc::new(Mutex::new(BTreeMap::new()));
        let different = Arc::new(AtomicUsize::new(0));
        let (all, count) = (Arc::clone(&lines), Arc::clone(&different));
        let reader = thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let number: usize = line.unwrap().parse().unwrap();
                let mut all = all.lock().unwrap();
                *all.entry(number).or_default() += 1;
                count.store(all.len(), Ordering::Relaxed);
            }
        });
        Self {
            lines,
            different,
            reader,
        }
    }

    fn wait_for(&self, count: usize) {
        let begun = Instant::now();
        while self.different.load(Ordering::Relaxed) < count {
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "{} of {count}",
                self.different.load(Ordering::Relaxed)
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// It would try for ever to connect again, if the test fails.
struct Subscriber(Child);

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends, with more options, and receives while `break_down` is called twice; every message is to come.
pub(crate) fn account(with: &[&str], more: &[&str], mut break_down: impl FnMut()) {
    let args = |args: &[&'static str]| -> Vec<String> {
        let both = args.iter().chain(with);
        both.map(|&arg| arg.to_owned()).collect()
    };
    let spawn = |args: &[String]| {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        stompbox(&args).spawn().unwrap()
    };
    let sub = args(&[
        "sub",
        "/queue/kept",
        "--ack",
        "client-individual",
        "--prefetch",
        "50",
        "--retry",
        "--timeout",
        "200s",
    ]);
    let mut sub = Subscriber(spawn(&sub));
    let printed = Printed::of(sub.0.stdout.take().unwrap());
    let mut publish = args(&[
        "pub",
        "/queue/kept",
        "%i",
        "--template",
        "--persistent",
        "--rate",
        "1k/s",
        "--retry",
        "--timeout",
        "200s",
        "-n",
        "3000",
    ]);
    publish.extend(more.iter().map(|&arg| arg.to_owned()));
    let publish = spawn(&publish);
    for at in [MESSAGES / 4, MESSAGES / 2] {
        printed.wait_for(at);
        break_down();
    }
    // Each receipt came.
    let (code, _, errors) = text(&publish.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("the connection is lost"), "{errors}");
    assert!(errors.contains("connected again"), "{errors}");
    printed.wait_for(MESSAGES);
    // It leaves in order, so that its last acknowledgements have arrived.
    let pid = sub.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(sub.0.wait().unwrap().code(), Some(130));
    printed.reader.join().unwrap();
    let lines = printed.lines.lock().unwrap();
    let numbers: Vec<_> = lines.keys().copied().collect();
    assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
    let twice = lines.values().filter(|count| **count > 1).count();
    println!("{twice} of {MESSAGES} came more than once");
    let rest = args(&["sub", "/queue/kept", "-W", "1s"]);
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let (code, out, _) = run(&rest);
    assert_eq!((code, &*out), (Some(5), ""));
}
