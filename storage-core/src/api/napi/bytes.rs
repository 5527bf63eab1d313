//! Byte strings handed to JavaScript: always copies, small ones into a shared slab.
//!
//! Two costs were measured, per result. A `Buffer` or `ArrayBuffer` of its own costs around a microsecond before the
//! first byte is copied, which is more than the engine needs for a small load; a view into a slab costs a third of
//! that. An *external* buffer around the engine's own allocation spares the copy, but its memory comes back only by a
//! finalizer that needs a turn of the event loop, so a synchronous loop over large loads grows without bound; copying
//! is also the faster of the two up to megabytes, as the allocator then gets to use the same pages again.
//!
//! An answer that is [`Lent`] takes no array at all: it is written to one that was made before, where the caller reads it
//! before the next one comes.
//!
//! Invariants:
//! - Regions of a slab are handed out once and never reused, so no result is ever changed under its holder; what is lent
//!   is, as its holder knows.
//! - The address of such memory is asked for at each use: someone may have detached it by transferring a result's
//!   `buffer`, and then new memory is taken.
//! - What an environment holds is forgotten when that ends, before another can have the same address.

use crate::api::{Bytes, Lent};
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{BufferSlice, Env, Result, ToNapiValue, TypeName, ValueType, sys};

use napi::check_status;

/// Size of a slab in bytes.
const SLAB_LEN: usize = 64 * 1024;
/// The longest result in bytes that goes into a slab: at most this much of one is left unused.
const SLAB_RESULT_MAX: usize = 4 * 1024;
/// How many bytes of answers can be lent at first, and at most.
const LENT_LEN: usize = 16 * 1024;
const LENT_MAX: usize = 1 << 20;

macro_rules! named_uint8array {
    ($type:ty) => {
        impl TypeName for $type {
            fn type_name() -> &'static str {
                "Uint8Array"
            }

            fn value_type() -> ValueType {
                ValueType::Object
            }
        }
    };
}

named_uint8array!(Bytes);
named_uint8array!(Lent);

impl ToNapiValue for Bytes {
    unsafe fn to_napi_value(env: sys::napi_env, bytes: Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is the environment this conversion was called for, on its thread.
        unsafe {
            if bytes.len() > SLAB_RESULT_MAX {
                return own_buffer(env, Vec::from(bytes));
            }
            with_held(env, |held| {
                if let Some(slab) = &mut held.slab
                    && let Some(view) = slab.append(env, &bytes)?
                {
                    return Ok(view);
                }
                let mut slab = Slab::new(env)?;
                let view = slab.append(env, &bytes)?;
                if let Some(full) = held.slab.replace(slab) {
                    check_status!(sys::napi_delete_reference(env, full.array_buffer))?;
                }
                view.ok_or_else(|| napi::Error::from_reason("a new slab has no room"))
            })
        }
    }
}

impl ToNapiValue for Lent {
    unsafe fn to_napi_value(env: sys::napi_env, lent: Self) -> Result<sys::napi_value> {
        let needed = lent.head().len() + lent.len();
        // SAFETY: `env` is the environment this conversion was called for, on its thread.
        unsafe {
            if needed > LENT_MAX {
                return own_buffer(env, Vec::from(lent));
            }
            with_held(env, |held| {
                if let Some(view) = held.lent
                    && let Some(array) = write_lent(env, view, &lent)?
                {
                    return Ok(array);
                }
                let view = new_lent(env, needed.next_power_of_two().max(LENT_LEN))?;
                if let Some(small) = held.lent.replace(view) {
                    check_status!(sys::napi_delete_reference(env, small))?;
                }
                let array = write_lent(env, view, &lent)?;
                array.ok_or_else(|| napi::Error::from_reason("new memory has no room"))
            })
        }
    }
}

/// Bytes in memory of their own.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread.
unsafe fn own_buffer(env: sys::napi_env, bytes: Vec<u8>) -> Result<sys::napi_value> {
    let buffer = BufferSlice::copy_from(&Env::from_raw(env), bytes)?;
    // SAFETY: by contract.
    unsafe { BufferSlice::to_napi_value(env, buffer) }
}

/// What an environment holds. Its references are strong and of that environment, and are deleted once, when another takes
/// their place.
struct Held {
    env: sys::napi_env,
    slab: Option<Slab>,
    /// The array in which answers are lent.
    lent: Option<sys::napi_ref>,
}

thread_local! {
    /// What each environment of this thread holds: one, unless a process loads the library into several contexts, as test
    /// runners do.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// Calls `user` with what an environment holds.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread.
unsafe fn with_held<T>(env: sys::napi_env, user: impl FnOnce(&mut Held) -> Result<T>) -> Result<T> {
    HELD.with_borrow_mut(|all| {
        if let Some(held) = all.iter_mut().find(|held| held.env == env) {
            return user(held);
        }
        // SAFETY: by contract. `forget` does not use the pointer as one.
        unsafe { check_status!(sys::napi_add_env_cleanup_hook(env, Some(forget), env.cast()))? };
        let mut held = Held { env, slab: None, lent: None };
        let result = user(&mut held);
        all.push(held);
        result
    })
}

/// Forgets what an environment holds that ends, references and all: the environment frees those itself.
unsafe extern "C" fn forget(env: *mut c_void) {
    HELD.with_borrow_mut(|all| all.retain(|held| held.env != env.cast()));
}

/// An `ArrayBuffer` from which small results are cut.
struct Slab {
    array_buffer: sys::napi_ref,
    used: usize,
}

impl Slab {
    /// # Safety
    ///
    /// `env` must be valid and belong to the calling thread.
    unsafe fn new(env: sys::napi_env) -> Result<Self> {
        // SAFETY: by contract.
        let array_buffer = unsafe { reference(env, new_array_buffer(env, SLAB_LEN)?)? };
        Ok(Self { array_buffer, used: 0 })
    }

    /// A view of a fresh region that holds `bytes`; `None` if they do not fit any more.
    ///
    /// # Safety
    ///
    /// `env` must be that of the slab, valid, and belong to the calling thread.
    unsafe fn append(&mut self, env: sys::napi_env, bytes: &[u8]) -> Result<Option<sys::napi_value>> {
        let mut array_buffer = ptr::null_mut();
        let mut start: *mut c_void = ptr::null_mut();
        let mut len = 0;
        let mut view = ptr::null_mut();
        // SAFETY: the reference is strong and of this environment. `start..start + len` is the memory of the slab, and
        // the copy stays inside it by the check before it; `bytes` is Rust's own memory, so they cannot overlap.
        unsafe {
            check_status!(sys::napi_get_reference_value(env, self.array_buffer, &mut array_buffer))?;
            check_status!(sys::napi_get_arraybuffer_info(env, array_buffer, &mut start, &mut len))?;
            if start.is_null() || self.used + bytes.len() > len {
                return Ok(None);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>().add(self.used), bytes.len());
            check_status!(sys::napi_create_typedarray(
                env,
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

/// A new array of `len` bytes in which answers are lent.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread.
unsafe fn new_lent(env: sys::napi_env, len: usize) -> Result<sys::napi_ref> {
    let mut view = ptr::null_mut();
    // SAFETY: `env` by contract; the array is all of a new buffer.
    unsafe {
        let array_buffer = new_array_buffer(env, len)?;
        let kind = sys::TypedarrayType::uint8_array;
        check_status!(sys::napi_create_typedarray(env, kind, len, array_buffer, 0, &mut view))?;
        reference(env, view)
    }
}

/// Writes an answer to the array in which it is lent, which it gives; `None` if there is no room for it.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread, and `view` be a strong reference of it to a `Uint8Array`.
unsafe fn write_lent(
    env: sys::napi_env,
    view: sys::napi_ref,
    answer: &Lent,
) -> Result<Option<sys::napi_value>> {
    let prefix = answer.head();
    let mut array = ptr::null_mut();
    let mut start: *mut c_void = ptr::null_mut();
    let mut len = 0;
    // SAFETY: the reference by contract, and what is not asked for may be null. `start..start + len` is the memory of the
    // array, which is empty if it was detached; both copies stay inside it by the check before them, and are of Rust's
    // own memory, so they cannot overlap it.
    unsafe {
        check_status!(sys::napi_get_reference_value(env, view, &mut array))?;
        check_status!(sys::napi_get_typedarray_info(
            env,
            array,
            ptr::null_mut(),
            &mut len,
            &mut start,
            ptr::null_mut(),
            ptr::null_mut()
        ))?;
        if start.is_null() || prefix.len() + answer.len() > len {
            return Ok(None);
        }
        let start = start.cast::<u8>();
        ptr::copy_nonoverlapping(prefix.as_ptr(), start, prefix.len());
        ptr::copy_nonoverlapping(answer.as_ptr(), start.add(prefix.len()), answer.len());
    }
    Ok(Some(array))
}

/// A new `ArrayBuffer` of `len` bytes.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread.
unsafe fn new_array_buffer(env: sys::napi_env, len: usize) -> Result<sys::napi_value> {
    let mut start = ptr::null_mut();
    let mut array_buffer = ptr::null_mut();
    // SAFETY: `env` by contract; the other pointers are to locals.
    unsafe { check_status!(sys::napi_create_arraybuffer(env, len, &mut start, &mut array_buffer))? };
    Ok(array_buffer)
}

/// A strong reference.
///
/// # Safety
///
/// `env` must be valid and belong to the calling thread, and `value` be an object of it.
unsafe fn reference(env: sys::napi_env, value: sys::napi_value) -> Result<sys::napi_ref> {
    let mut reference = ptr::null_mut();
    // SAFETY: by contract.
    unsafe { check_status!(sys::napi_create_reference(env, value, 1, &mut reference))? };
    Ok(reference)
}
