#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "support/memory_store.hpp"

namespace pebbles::simulation {

/// One run: several instances of the ingest over one memory log, clients and queues in front of them, a reader behind,
/// and everything that can go wrong in between, all drawn from one seed in one thread.
/// What a source of a log could do wrong.
struct BrokenSource {
  bool puts_back_alone = false;     ///< one message is read again while later ones go on
  bool epoch_for_each = false;      ///< what is dropped is not a suffix
  bool passes_gates_early = false;  ///< before the dead letter is durable
};

struct Options {
  std::uint64_t seed = 0;
  int steps = 60;
  support::Broken broken = {};
  BrokenSource broken_source = {};
};

/// What a run came across, so that a test can tell that the simulation reaches what it is for.
struct Tally {
  std::int64_t applied = 0, replayed = 0, not_the_owner = 0, key_reused = 0, already_completed = 0,
               counter_overflow = 0, unstorable = 0, retry = 0, retry_maybe_applied = 0;
  std::int64_t crashes = 0, restarts = 0, late_writes_landed = 0, late_writes_failed = 0, rebuilds = 0,
               partitions_moved = 0, position_replays = 0, interleaved = 0, dead_letters = 0,
               dead_letters_lost = 0,     ///< the instance died with them: they have to be written again
      dropped = 0,                        ///< of an ended epoch
      replayed_behind_a_dead_letter = 0;  ///< of a later offset: what invariant 11 is about
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
