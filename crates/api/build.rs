//! Builds the crate anew when the dashboard was: its files become part of the binary.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
