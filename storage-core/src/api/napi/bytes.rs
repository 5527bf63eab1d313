//! Byte strings handed to JavaScript: always copies, small ones into a shared slab.
//!
//! Two costs were measured, per result. A `Buffer` or `ArrayBuffer` of its own costs around a microsecond before the
//! first byte is copied, which is more than the engine needs for a small load; a view into a slab costs a third of
//! that. An *external* buffer around the engine's own allocation spares the copy, but its memory comes back only by a
//! finalizer that needs a turn of the event loop, so a synchronous loop over large loads grows without bound; copying
//! is also the faster of the two up to megabytes, as the allocator then gets to use the same pages again.
//!
//! Invariants of the slab:
//! - Regions are handed out once and never reused, so no result is ever changed under its holder.
//! - The address of the slab is asked for at each use: someone may have detached it by transferring a result's
//!   `buffer`, and then a new slab is made.
//! - A slab belongs to one environment and is forgotten when that ends, before another can have the same address.

use crate::api::Bytes;
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{BufferSlice, Env, Result, ToNapiValue, TypeName, ValueType, sys};

use napi::check_status;

/// Size of a slab in bytes.
const SLAB_LEN: usize = 64 * 1024;
/// The longest result in bytes that goes into a slab: at most this much of one is left unused.
const SLAB_RESULT_MAX: usize = 4 * 1024;

impl TypeName for Bytes {
    fn type_name() -> &'static str {
        "Uint8Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Bytes {
    unsafe fn to_napi_value(env: sys::napi_env, bytes: Self) -> Result<sys::napi_value> {
        if bytes.len() <= SLAB_RESULT_MAX {
            // SAFETY: `env` is the environment this conversion was called for, on its thread.
            return SLABS.with_borrow_mut(|slabs| unsafe { Slab::copy(slabs, env, &bytes) });
        }
        let buffer = BufferSlice::copy_from(&Env::from_raw(env), Vec::from(bytes))?;
        // SAFETY: as above.
        unsafe { BufferSlice::to_napi_value(env, buffer) }
    }
}

thread_local! {
    /// The current slab of each environment of this thread: one, unless a process loads the library into several
    /// contexts, as test runners do.
    static SLABS: RefCell<Vec<Slab>> = const { RefCell::new(Vec::new()) };
}

/// An `ArrayBuffer` from which small results are cut.
struct Slab {
    env: sys::napi_env,
    array_buffer: sys::napi_ref,
    used: usize,
}

impl Slab {
    /// Copies `bytes` (at most [`SLAB_RESULT_MAX`]) into the environment's slab, or a new one where there is no room.
    ///
    /// # Safety
    ///
    /// `env` must be valid and belong to the calling thread.
    unsafe fn copy(slabs: &mut Vec<Self>, env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
        // SAFETY: `env` by contract. A slab's environment is `env` where it is used, and its reference is deleted only
        // once, when another takes its place.
        let view = unsafe {
            if let Some(slab) = slabs.iter_mut().find(|slab| slab.env == env) {
                if let Some(view) = slab.append(bytes)? {
                    return Ok(view);
                }
                let full = slab.array_buffer;
                slab.array_buffer = new_array_buffer(env)?;
                slab.used = 0;
                check_status!(sys::napi_delete_reference(env, full))?;
                slab.append(bytes)?
            } else {
                let mut slab = Self { env, array_buffer: new_array_buffer(env)?, used: 0 };
                let view = slab.append(bytes)?;
                check_status!(sys::napi_add_env_cleanup_hook(env, Some(forget), env.cast()))?;
                slabs.push(slab);
                view
            }
        };
        view.ok_or_else(|| napi::Error::from_reason("a new slab has no room"))
    }

    /// A view of a fresh region that holds `bytes`; `None` if they do not fit any more.
    ///
    /// # Safety
    ///
    /// The slab's environment must be valid and belong to the calling thread.
    unsafe fn append(&mut self, bytes: &[u8]) -> Result<Option<sys::napi_value>> {
        let mut array_buffer = ptr::null_mut();
        let mut start: *mut c_void = ptr::null_mut();
        let mut len = 0;
        let mut view = ptr::null_mut();
        // SAFETY: the reference is strong and of this environment. `start..start + len` is the memory of the slab, and
        // the copy stays inside it by the check before it; `bytes` is Rust's own memory, so they cannot overlap.
        unsafe {
            check_status!(sys::napi_get_reference_value(self.env, self.array_buffer, &mut array_buffer))?;
            check_status!(sys::napi_get_arraybuffer_info(self.env, array_buffer, &mut start, &mut len))?;
            if start.is_null() || self.used + bytes.len() > len {
                return Ok(None);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>().add(self.used), bytes.len());
            check_status!(sys::napi_create_typedarray(
                self.env,
                sys::TypedarrayType::uint8_array,
                bytes.len(),
                array_buffer,
                self.used,
                &mut view
            ))?;
        }
        self.used += bytes.len();
        Ok(Some(view))
    }
}

/// A strong reference to a new `ArrayBuffer` of [`SLAB_LEN`] bytes.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread.
unsafe fn new_array_buffer(env: sys::napi_env) -> Result<sys::napi_ref> {
    let mut start = ptr::null_mut();
    let mut array_buffer = ptr::null_mut();
    let mut reference = ptr::null_mut();
    // SAFETY: `env` by contract; the other pointers are to locals.
    unsafe {
        check_status!(sys::napi_create_arraybuffer(env, SLAB_LEN, &mut start, &mut array_buffer))?;
        check_status!(sys::napi_create_reference(env, array_buffer, 1, &mut reference))?;
    }
    Ok(reference)
}

/// Forgets the slab of an environment that ends, reference and all: the environment frees those itself.
unsafe extern "C" fn forget(env: *mut c_void) {
    SLABS.with_borrow_mut(|slabs| slabs.retain(|slab| slab.env != env.cast()));
}
