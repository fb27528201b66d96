//! Disks as they are where nobody has written for a while.
//!
//! What one contender writes, the kernel brings to the disk later: while the next one is measured, with that one's processors. And
//! it slows down whoever writes while too much is waiting, not those who have written it.

/// Brings all that was written to the disks, and waits for it.
pub fn settle() {
    rustix::fs::sync();
}
