//! Stock zlib under the package name of zlib-ng; flate2 uses the same names of both.
pub use libz_sys::*;
