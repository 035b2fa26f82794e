//! Keeps the module in memory once it is loaded: unloading a library that has thread-local destructors
//! can crash the host when another thread ends.
fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
