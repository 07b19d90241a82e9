use std::sync::Arc;

use stompbox_broker::selector::SelectorCache;

#[test]
fn equal_texts_share_a_selector() {
    let mut cache = SelectorCache::new(4);
    let first = cache.compile("n = 1").unwrap().unwrap();
    let second = cache.compile("n = 1").unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.text(), "n = 1");
    let other = cache.compile("n  =  1").unwrap().unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    assert_eq!(first, other);
    assert_eq!(cache.len(), 2);
}

#[test]
fn the_one_used_longest_ago_goes() {
    let mut cache = SelectorCache::new(2);
    let a = cache.compile("a").unwrap().unwrap();
    let b = cache.compile("b").unwrap().unwrap();
    assert!(Arc::ptr_eq(&a, &cache.compile("a").unwrap().unwrap()));
    cache.compile("c").unwrap();
    assert_eq!(cache.len(), 2);
    assert!(Arc::ptr_eq(&a, &cache.compile("a").unwrap().unwrap()));
    assert!(!Arc::ptr_eq(&b, &cache.compile("b").unwrap().unwrap()));
    for n in 0..100 {
        cache.compile(&format!("n = {n}")).unwrap();
        assert_eq!(cache.len(), 2);
    }
}

#[test]
fn errors_and_blanks_take_no_room() {
    let mut cache = SelectorCache::new(2);
    assert!(cache.compile(" ").unwrap().is_none());
    assert!(cache.compile("n =").is_err());
    assert!(cache.is_empty());
    let mut none = SelectorCache::new(0);
    assert!(none.compile("n = 1").unwrap().is_some());
    assert!(none.is_empty());
}
