#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "domain/decide.hpp"
#include "domain/progress.hpp"

/// The ports to what is stored, and what their implementations share. docs/invariants.md is their contract.
namespace pebbles::store {

using domain::ShortDigest;
using domain::StreamId;
using domain::Version;
using Digest = std::array<std::uint8_t, 32>;  ///< a SHA-256

/// Names a chunk within its stream; `first == 0` where there is none.
struct ChunkRef {
  Version first = 0;
  Digest hash{};
  friend bool operator==(const ChunkRef&, const ChunkRef&) = default;
};

/// Names one commit of one writer for ever: tells whose a chunk is when the outcome of its commit was unknown.
struct Token {
  std::uint64_t writer = 0;  ///< random, drawn by each lane at start
  std::uint64_t sequence = 0;
  friend bool operator==(const Token&, const Token&) = default;
};

/// A stream's state as it is kept beside the log, and where in the log it stands.
struct Snapshot {
  StreamId stream;
  domain::Progress progress;
  int fold = domain::fold_number;  ///< the rules that made it
  std::int64_t rev = 0;            ///< raised by `rebuild`: a state loaded before it no longer commits
  ChunkRef head;                   ///< the last chunk folded in
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// A bound for the memory that a snapshot holds.
[[nodiscard]] std::size_t bytes_of(const Snapshot& snapshot);

/// The events of one commit for one stream, as stored.
struct Chunk {
  Version first = 0;
  std::vector<domain::ProgressEvent> events;
  ChunkRef prev;
  Digest hash{};
  Token token;
};

/// Whether a chunk may stand behind `state`: right behind it, or, where there is no state yet, as the first of a log.
[[nodiscard]] bool follows(const Chunk& chunk, const Snapshot& state);

/// What the chunk behind `chunk` has to name as its predecessor: itself, or what a baseline stands for.
/// Precondition: its events are decoded, and there is one.
[[nodiscard]] ChunkRef head_behind(const Chunk& chunk);

/// The state of a stream of which this is the last chunk, if the chunk alone says it: the file was deleted, or what
/// there is of its log is a baseline. Null otherwise. Precondition: its events are decoded.
[[nodiscard]] SnapshotPtr told_by(const StreamId& stream, const Chunk& last);

/// Folds the chunks that follow a snapshot onto it. Error: store_corrupt at a gap: never skipped (invariant 2).
[[nodiscard]] Result<void> fold_onto(Snapshot& state, std::span<const Chunk> chunks);

/// A chunk's canonical text is at most this long; a batch that has more of one stream is cut (invariant 6).
inline constexpr std::size_t chunk_bytes_max = 4UL << 20U;

/// One stream's part of a batch: the chunk to append, and the state that follows from it.
struct Append {
  SnapshotPtr before;  ///< what was decided against; null when the stream is new
  Chunk chunk;
  std::string text;  ///< the chunk's canonical events (log_format.hpp)
  SnapshotPtr after;

  [[nodiscard]] Version expected() const { return chunk.first - 1; }
};

enum class AppendOutcome : std::uint8_t {
  stored,      ///< durable
  conflict,    ///< the stream is not at the expected version and rev: load with its log and decide again
  not_stored,  ///< this call certainly stored nothing, for a fault that passes (store away, disk full)
  unknown,     ///< may be stored, now or later: commit the same append again until it is known (invariant 1)
  refused,     ///< not stored, and never will be: depends on nothing but the append itself (its size, say)
};

struct Loaded {
  SnapshotPtr snapshot;      ///< null when there is none, or none of the present fold
  std::int64_t rev = 0;      ///< of the stored snapshot, where `snapshot` is null because its fold is another
  std::vector<Chunk> after;  ///< the chunks behind it, in order; only when asked for
  /// Which stored record of the stream cannot be read, and why: another try finds the same. The rest is then empty.
  std::optional<std::string> unreadable = {};
};

enum class LoadMode : std::uint8_t {
  snapshot_only,  ///< enough for a first try: the commit's version check finds what it misses
  with_log,       ///< and the chunks after the snapshot's version: after a conflict, or to settle (invariant 3)
};

struct KeyQuery {
  StreamId stream;
  ShortDigest hash{};
};

struct ChunkQuery {
  StreamId stream;
  Version first = 0;
};

/// What a lane has to do besides upkeep.
enum class Load : std::uint8_t {
  busy,   ///< updates wait: only what must not be put off
  pause,  ///< none waits at this moment: what is due
  idle,   ///< none has come for a while: all there is
};

/// Appends events to the streams of a batch and reads them back. Implementations: sqlite (and a memory one with the
/// tests). Threads: called by one lane at a time, which may block; one instance per lane. Lifetime: outlives its lane.
/// Every implementation passes tests/contract/event_store_contract.hpp.
class EventStore {
 public:
  virtual ~EventStore() = default;

  /// The present state of each stream, in the order asked. A stream without snapshot gets its chunks in either mode.
  /// One whose records cannot be read says so in its place, and stops no other.
  /// Errors: store_unavailable, store_corrupt (the store itself cannot be used as it is).
  [[nodiscard]] virtual Result<std::vector<Loaded>> load(std::span<const StreamId> streams, LoadMode mode) = 0;

  /// For each key the event that carries it, if any. Asked after the states were loaded (invariant 10).
  [[nodiscard]] virtual Result<std::vector<std::optional<domain::KeyHit>>> find_keys(
      std::span<const KeyQuery> queries) = 0;

  /// The token of the chunk with exactly that first version, if it stands.
  [[nodiscard]] virtual Result<std::vector<std::optional<Token>>> find_tokens(std::span<const ChunkQuery> queries) = 0;

  /// Commits the batch, each append atomically and at most one per stream, and tells what became of each. Durable
  /// when it returns: what is `stored` survives a power cut.
  [[nodiscard]] virtual std::vector<AppendOutcome> commit(std::span<const Append> batch) = 0;

  /// A bounded piece of upkeep, never needed for what `commit` promises. Called after each batch, once its waiters were
  /// told. True when a lane of that load should soon call again.
  virtual bool maintain(Load load) = 0;
};

}  // namespace pebbles::store
