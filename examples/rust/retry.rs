// A plugin in Rust without an SDK or crates: it skips events without a verdict, logs the others, and asks for a retry of
// documents that it cannot read, since a newer build may read them.
//
// Retry only when something can change until the next attempt. The event itself never changes: a pending event stays pending,
// and every later event of its verification, also the one with the verdict, waits behind it.
//
// Build: rustc --edition 2021 -O -C strip=symbols -C panic=abort -C lto --target wasm32-wasip1 retry.rs
use std::io::Read;

/// Returns the event's verdict. Its own fields come before its headers and body.
fn verdict(doc: &str) -> Option<&str> {
    let event = &doc[doc.find("\"event\":{")?..];
    let from = event.find("\"verdict\":\"")? + "\"verdict\":\"".len();
    event[from..].split('"').next()
}

fn main() {
    let mut doc = String::new();
    if std::io::stdin().read_to_string(&mut doc).is_err() {
        std::process::exit(1);
    }
    match verdict(&doc) {
        None => println!("{{\"outcome\":\"retry\",\"reason\":\"this is no document of contract v1\"}}"),
        Some("pending" | "unknown") => println!("{{\"outcome\":\"skip\",\"reason\":\"no verdict yet\"}}"),
        Some(word) => eprintln!("verdict: {word}"),
    }
}
