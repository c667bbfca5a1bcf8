#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "support/memory_store.hpp"

namespace pebbles::simulation {

/// One run: several instances of the ingest over one memory log, clients and queues in front of them, a reader behind,
/// and everything that can go wrong in between, all drawn from one seed in one thread.
struct Options {
  std::uint64_t seed = 0;
  int steps = 60;
  support::Broken broken = {};
};

/// What a run came across, so that a test can tell that the simulation reaches what it is for.
struct Tally {
  std::int64_t applied = 0, replayed = 0, not_the_owner = 0, key_reused = 0, already_completed = 0,
               counter_overflow = 0, unstorable = 0, retry = 0, retry_maybe_applied = 0;
  std::int64_t crashes = 0, restarts = 0, late_writes_landed = 0, late_writes_failed = 0, rebuilds = 0,
               partitions_moved = 0, position_replays = 0, interleaved = 0;
  /// Refused, but the instance died before it said so, and then behind a later offset: what invariant 11 is about.
  std::int64_t dead_letters_lost = 0;
  void add(const Tally& other);
};

struct Report {
  std::optional<std::string> failure;  ///< the first thing that was wrong
  Tally tally;
};

[[nodiscard]] Report simulate(const Options& options);

/// From the command line (`--seeds=N`, `--seed=X`) or the environment (PEBBLES_SEEDS, PEBBLES_SEED).
struct Wishes {
  std::uint64_t seeds = 2000;
  std::optional<std::uint64_t> seed = {};
};
extern Wishes wishes;

}  // namespace pebbles::simulation
