// A plugin in Rust without an SDK or crates: it asks for events that are still pending to come again in ten minutes.
//
// Build: rustc --edition 2021 -O -C strip=symbols -C panic=abort -C lto --target wasm32-wasip1 retry.rs
use std::io::Read;

fn main() {
    let mut doc = String::new();
    if std::io::stdin().read_to_string(&mut doc).is_err() {
        std::process::exit(1);
    }
    // The event's own fields come before its headers and body.
    let event = doc.find("\"event\":{").map(|at| &doc[at..]).unwrap_or("");
    let verdict = event
        .find("\"verdict\":\"")
        .map(|at| &event[at + 11..])
        .unwrap_or("");
    if verdict.starts_with("pending\"") {
        println!("{{\"outcome\":\"retry\",\"reason\":\"still pending\",\"retry_after\":\"10m\"}}");
    }
}
