//! Evaluation allocates nothing.

use stompbox_broker::selector::{EqualityIndex, Selector};

use crate::message::TestMessage;

#[test]
fn evaluation_and_lookup_allocate_nothing() {
    let message = TestMessage::of(&[
        ("n", "5"),
        ("f", "2500.5"),
        ("s", "abc"),
        ("room", "kitchen"),
    ]);
    let texts = [
        "room = 'kitchen' AND n > 3",
        "f * 2 / (n + 1) - 4 % 3 BETWEEN -1e3 AND 9223372036854775807",
        "s LIKE '%b%' ESCAPE '!' OR s NOT LIKE '_%c'",
        "n IN (1,2,3,4,6,7,8,9,10,11,'12','5') AND s NOT IN ('x')",
        "NOT (s = 'x' OR missing IS NULL) = TRUE",
        "JMSDeliveryMode = 'PERSISTENT' OR JMSPriority > 3 OR JMSRedelivered",
        "no_convert_string_expressions:n <> 5",
    ];
    let selectors = texts.map(|text| Selector::compile(text).unwrap().unwrap());
    let mut index = EqualityIndex::default();
    for (key, selector) in selectors.iter().enumerate() {
        index.insert(key, selector);
    }
    let mut out = Vec::with_capacity(selectors.len());
    let info = allocation_counter::measure(|| {
        for selector in &selectors {
            std::hint::black_box(selector.matches(&message));
        }
        index.candidates(&message, &mut out);
    });
    assert_eq!(info.count_total, 0);
    assert_eq!(out, [0]);
    // The counter counts.
    let info = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(info.count_total, 1);
}
