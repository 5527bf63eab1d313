//! The cases by topics.

mod content;
mod damage;
mod deletion;
mod large;
mod lifetime;
mod listening;
mod loading;
mod opening;
mod refused;
mod samples;
mod states;
mod text;
mod upkeep;

use crate::case::Case;

/// All cases, always in the same order.
pub(crate) fn all() -> Vec<Case> {
    let topics = [
        opening::cases(),
        content::cases(),
        content::batches(),
        loading::cases(),
        states::known(),
        states::sync(),
        states::locks(),
        deletion::cases(),
        states::ids(),
        text::cases(),
        large::cases(),
        lifetime::durability(),
        lifetime::reopening(),
        lifetime::sharing(),
        lifetime::at_once(),
        upkeep::cases(),
        listening::cases(),
        damage::cases(),
        refused::cases(),
        samples::cases(),
    ];
    topics.into_iter().flatten().collect()
}
