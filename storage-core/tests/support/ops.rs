//! Random operations: how they look and how to make them.
//!
//! Names come from small alphabets, so that cases meet. Positions are relative to what is stored when an operation runs,
//! so that a sequence stays meaningful when the shrinker takes operations out of it.

use super::Upkeep;
use jazz_storage_core::store::rows::CoValueId;
use proptest::prelude::*;

pub const IDS: [&str; 6] = ["co_zA", "co_zB", "co_zC", "co_zé", "co_zD", "co_zE"];
pub const SESSIONS: [&str; 6] =
    ["co_z1_session_z1", "co_z1_session_z2", "co_z2_session_zé", "s", "co_z1_session_d1$", "$"];
pub const PEERS: [&str; 3] = ["server", "any", "peer_é"];
pub const KEYS: [&str; 3] = ["key_z1", "key_z2", ""];
pub const CHANGES: [&[u8]; 7] = [
    b"",
    b"[1]",
    b"encrypted_U4QnrSH3u38Dm",
    "é€𝄞".as_bytes(),
    b"lone \xed\xa0\x80",
    b"forty characters of a transaction's text.",
    LONG,
];
/// So much that maintenance does not get through a few of them in one go, and a segment has room for one.
const LONG: &[u8] = &[b'x'; 4000];
pub const THRESHOLDS: [f64; 6] = [0.0, -1.0, 10.0, 60.0, 102_400.0, f64::INFINITY];

/// All ids that operations use.
pub fn all_ids() -> Vec<CoValueId> {
    IDS.iter().map(|id| CoValueId::from(*id)).collect()
}

/// A transaction, by numbers into the alphabets.
#[derive(Debug, Clone, Copy)]
pub struct TxSpec {
    pub shape: u8,
    pub key: usize,
    pub changes: usize,
    pub meta: bool,
}

/// A session of a message.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    pub session: usize,
    /// Where it begins, relative to the stored counter.
    pub after: i32,
    /// Whether the signature is one that other messages have as well.
    pub common_signature: bool,
    pub txs: Vec<TxSpec>,
}

/// A deliberate mistake of a row-level transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    CounterTooHigh,
    CounterTooLow,
    CounterZero,
    TxMissing,
    TxTwice,
    TxMalformed,
    SignatureBefore,
    SignaturePast,
    SignatureOther,
    NoUpdate,
}

/// A step of a row-level transaction.
#[derive(Debug, Clone)]
pub enum Step {
    Append {
        id: usize,
        session: usize,
        txs: Vec<TxSpec>,
        signatures: Vec<u8>,
        bytes: u32,
        mistake: Option<Mistake>,
    },
    Look {
        id: usize,
        session: usize,
    },
    Mark {
        id: usize,
    },
    Erase {
        id: usize,
    },
    EraseUnknown,
    Lock {
        peer: usize,
        session: usize,
    },
}

/// A message.
#[derive(Debug, Clone)]
pub struct MessageSpec {
    pub id: usize,
    pub header: bool,
    pub delete_is_valid: bool,
    pub threshold: usize,
    pub sessions: Vec<SessionSpec>,
}

/// An operation.
#[derive(Debug, Clone)]
pub enum Op {
    Store(MessageSpec),
    /// Messages given to the store together.
    StoreAll(Vec<MessageSpec>),
    Load {
        id: usize,
        budget: u64,
    },
    /// A piece by its number, begun `later` transactions later and `longer` transactions longer.
    LoadPiece {
        id: usize,
        session: usize,
        piece: usize,
        later: u32,
        longer: u32,
    },
    Upsert {
        id: usize,
        header: bool,
    },
    Rows {
        steps: Vec<Step>,
        fail: bool,
    },
    Erase {
        id: usize,
    },
    EraseUnknown,
    Ids {
        limit: u32,
        offset: u64,
    },
    Track {
        updates: Vec<(usize, usize, bool)>,
    },
    Untrack {
        id: usize,
    },
    Acquire {
        peer: usize,
        session: usize,
        ttl: u8,
        interval: u8,
    },
    Renew {
        peer: usize,
        session: usize,
        offset: u8,
    },
    Release {
        peer: usize,
        session: usize,
    },
    EmptyId,
    Upkeep(Upkeep),
    /// Dies in the middle, after this many changes of files.
    Interrupt(Upkeep, u64),
    Reopen,
    Kill,
}

fn tx_spec() -> impl Strategy<Value = TxSpec> {
    let changes = prop_oneof![15 => 0..CHANGES.len() - 1, 1 => Just(CHANGES.len() - 1)];
    (0u8..5, 0..KEYS.len(), changes, prop::bool::weighted(0.2))
        .prop_map(|(shape, key, changes, meta)| TxSpec { shape, key, changes, meta })
}

fn txs() -> impl Strategy<Value = Vec<TxSpec>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => prop::collection::vec(tx_spec(), 1..3),
        3 => prop::collection::vec(tx_spec(), 1..8),
    ]
}

fn session_spec() -> impl Strategy<Value = SessionSpec> {
    let after = prop_oneof![6 => Just(0), 3 => -4..0i32, 1 => 1..3i32, 1 => Just(i32::MIN)];
    (0..SESSIONS.len(), after, prop::bool::weighted(0.2), txs()).prop_map(
        |(session, after, common_signature, txs)| SessionSpec { session, after, common_signature, txs },
    )
}

fn step() -> impl Strategy<Value = Step> {
    use Mistake::*;
    let mistake = prop::option::weighted(
        0.1,
        prop::sample::select(vec![
            CounterTooHigh,
            CounterTooLow,
            CounterZero,
            TxMissing,
            TxTwice,
            TxMalformed,
            SignatureBefore,
            SignaturePast,
            SignatureOther,
            NoUpdate,
        ]),
    );
    let signatures = prop::collection::vec(0u8..8, 0..3);
    let append = (0..IDS.len(), 0..SESSIONS.len(), txs(), signatures, 0u32..100, mistake);
    prop_oneof![
        10 => append.prop_map(|(id, session, txs, signatures, bytes, mistake)| {
            Step::Append { id, session, txs, signatures, bytes, mistake }
        }),
        2 => (0..IDS.len(), 0..SESSIONS.len()).prop_map(|(id, session)| Step::Look { id, session }),
        1 => (0..IDS.len()).prop_map(|id| Step::Mark { id }),
        1 => (0..IDS.len()).prop_map(|id| Step::Erase { id }),
        1 => (0..PEERS.len(), 0..SESSIONS.len()).prop_map(|(peer, session)| Step::Lock { peer, session }),
    ]
}

fn message_spec() -> impl Strategy<Value = MessageSpec> {
    let sessions = prop::collection::vec(session_spec(), 0..4);
    (0..IDS.len(), prop::bool::weighted(0.7), any::<bool>(), 0..THRESHOLDS.len(), sessions).prop_map(
        |(id, header, delete_is_valid, threshold, sessions)| MessageSpec {
            id,
            header,
            delete_is_valid,
            threshold,
            sessions,
        },
    )
}

/// Any operation.
pub fn op() -> impl Strategy<Value = Op> {
    let (id, session, peer) = (0..IDS.len(), 0..SESSIONS.len(), 0..PEERS.len());
    // Locks are only told apart by those who ask for them often.
    let holder = 0..2usize;
    let update = (id.clone(), peer.clone(), any::<bool>());
    let upkeep =
        prop::sample::select(vec![Upkeep::Checkpoint, Upkeep::Settle, Upkeep::Compact, Upkeep::Slice]);
    prop_oneof![
        30 => message_spec().prop_map(Op::Store),
        6 => prop::collection::vec(message_spec(), 1..9).prop_map(Op::StoreAll),
        4 => (id.clone(), prop_oneof![Just(0), 1u64..400, Just(u64::MAX)])
            .prop_map(|(id, budget)| Op::Load { id, budget }),
        4 => (id.clone(), session, 0usize..4, prop_oneof![3 => Just(0), 1 => 1u32..3], 0u32..9)
            .prop_map(|(id, session, piece, later, longer)| {
                Op::LoadPiece { id, session, piece, later, longer: longer.saturating_sub(6) }
            }),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, header)| Op::Upsert { id, header }),
        10 => (prop::collection::vec(step(), 0..5), prop::bool::weighted(0.1))
            .prop_map(|(steps, fail)| Op::Rows { steps, fail }),
        3 => id.clone().prop_map(|id| Op::Erase { id }),
        1 => Just(Op::EraseUnknown),
        1 => (0u32..6, 0u64..6).prop_map(|(limit, offset)| Op::Ids { limit, offset }),
        3 => prop::collection::vec(update, 0..4).prop_map(|updates| Op::Track { updates }),
        1 => id.prop_map(|id| Op::Untrack { id }),
        4 => (peer.clone(), holder.clone(), 0u8..4, 0u8..4)
            .prop_map(|(peer, session, ttl, interval)| Op::Acquire { peer, session, ttl, interval }),
        3 => (peer.clone(), holder.clone(), 1u8..9)
            .prop_map(|(peer, session, offset)| Op::Renew { peer, session, offset }),
        3 => (peer, holder).prop_map(|(peer, session)| Op::Release { peer, session }),
        1 => Just(Op::EmptyId),
        3 => upkeep.clone().prop_map(Op::Upkeep),
        2 => (upkeep, 0u64..60).prop_map(|(what, operations)| Op::Interrupt(what, operations)),
        2 => Just(Op::Reopen),
        2 => Just(Op::Kill),
    ]
}
