//! An allocator that counts, while it is told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

static COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator with counters; off until [`start`], so that `serve` pays one load for it.
pub(crate) struct Counting;

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Octets allocated and not freed, as asked for.
    pub(crate) live: i64,
    /// The most at a time since the last [`forget_peak`].
    pub(crate) peak: i64,
    /// Allocations and reallocations so far.
    pub(crate) allocations: u64,
}

/// Counts from now on.
pub(crate) fn start() {
    COUNTING.store(true, Ordering::Relaxed);
}

pub(crate) fn counts() -> Counts {
    Counts {
        live: LIVE.load(Ordering::Relaxed),
        peak: PEAK.load(Ordering::Relaxed),
        allocations: ALLOCATIONS.load(Ordering::Relaxed),
    }
}

/// The peak begins anew at what is live.
pub(crate) fn forget_peak() {
    PEAK.store(LIVE.load(Ordering::Relaxed), Ordering::Relaxed);
}

fn count(more: i64) {
    let live = LIVE.fetch_add(more, Ordering::Relaxed) + more;
    if more > 0 {
        PEAK.fetch_max(live, Ordering::Relaxed);
    }
}

// The allocator trait is unsafe by nature; this one adds counting to the system's and touches no memory itself.
#[allow(unsafe_code)]
// SAFETY: every call is passed on unchanged to the system's allocator, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            count(layout.size() as i64);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if COUNTING.load(Ordering::Relaxed) {
            count(-(layout.size() as i64));
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTING.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            count(size as i64 - layout.size() as i64);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}
