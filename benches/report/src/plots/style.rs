//! Colours and markers. Ours is blue, floors are grey, and each family of peers has a hue that it keeps in all plots of a
//! report; variants of a family differ in shade and marker.

use plotters::style::RGBColor;

use crate::results::{Kind, Level, Peer, Run};
use crate::view::unique;

/// Of text and axes.
pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Behind the names of groups.
pub(super) const BAND: RGBColor = RGBColor(0xf6, 0xf8, 0xfa);
/// Of lines at numbers of the axes.
pub(super) const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
/// Of lines between them.
pub(super) const FINE_GRID: RGBColor = RGBColor(0xf0, 0xf2, 0xf5);

const OURS: RGBColor = RGBColor(0x09, 0x69, 0xda);
const FLOOR: RGBColor = RGBColor(0x6e, 0x77, 0x81);

/// Readable on white, and told apart by most who see colours otherwise, by their lightness.
const HUES: [RGBColor; 10] = [
    RGBColor(0xcf, 0x22, 0x2e),
    RGBColor(0x1a, 0x7f, 0x37),
    RGBColor(0x82, 0x50, 0xdf),
    RGBColor(0xd9, 0x77, 0x06),
    RGBColor(0x0b, 0x7a, 0x75),
    RGBColor(0xc0, 0x2d, 0x8a),
    RGBColor(0x7a, 0x5c, 0x00),
    RGBColor(0x5b, 0x2a, 0x0e),
    RGBColor(0x4d, 0x9e, 0x0b),
    RGBColor(0x3b, 0x3b, 0x98),
];

/// What marks a peer's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// A filled circle.
    Disc,
    /// A triangle.
    Triangle,
    /// A square.
    Square,
    /// A circle that is not filled.
    Ring,
}

const MARKERS: [Marker; 4] = [Marker::Disc, Marker::Triangle, Marker::Square, Marker::Ring];

/// How a peer is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Of its lines and markers.
    pub(super) color: RGBColor,
    /// At its figures.
    pub(super) marker: Marker,
}

/// How the peers of a report are drawn.
#[derive(Debug)]
pub struct Styles {
    /// Families of peers, in the order of the runs.
    families: Vec<String>,
}

impl Styles {
    /// Those of the peers of these runs.
    pub fn of(runs: &[&Run]) -> Self {
        let peers = runs.iter().flat_map(|run| &run.peers).filter(|peer| peer.kind == Kind::Peer);
        Self { families: unique(peers.map(|peer| peer.family().to_owned())) }
    }

    /// How a peer of a run is drawn.
    pub(super) fn style(&self, run: &Run, peer: &Peer) -> Style {
        let alike = |other: &&Peer| {
            other.kind == peer.kind
                && other.level == peer.level
                && (peer.kind != Kind::Peer || other.family() == peer.family())
        };
        let variant = run.peers.iter().filter(alike).position(|other| other.name == peer.name);
        let variant = variant.unwrap_or_default() % MARKERS.len();
        let family = self.families.iter().position(|family| family == peer.family());
        let hue = match peer.kind {
            Kind::Ours => OURS,
            Kind::Floor => FLOOR,
            Kind::Peer => HUES[family.unwrap_or_default() % HUES.len()],
        };
        let color = match variant {
            0 => hue,
            1 => mixed(hue, 255, 0.40),
            2 => mixed(hue, 0, 0.40),
            _ => mixed(hue, 255, 0.25),
        };
        Style { color, marker: MARKERS[variant] }
    }

    /// What a level's peers look like beside each other, for those with `has`.
    pub(super) fn legend<'a>(
        &self,
        run: &'a Run,
        level: Level,
        has: impl Fn(&Peer) -> bool,
    ) -> Vec<(&'a Peer, Style)> {
        let peers = run.peers_at(level).into_iter().filter(|peer| has(peer));
        peers.map(|peer| (peer, self.style(run, peer))).collect()
    }
}

fn mixed(RGBColor(red, green, blue): RGBColor, with: u8, part: f64) -> RGBColor {
    let mix = |value: u8| (f64::from(value) + (f64::from(with) - f64::from(value)) * part).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}
