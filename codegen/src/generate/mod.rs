//! Code generation.
mod face;
