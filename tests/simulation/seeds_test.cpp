#include <gtest/gtest.h>

#include <ostream>

#include "simulation/simulation.hpp"

namespace pebbles::simulation {
namespace {

/// `--seed=X` replays one; `--seeds=N` runs the first N. A failure names its seed.
TEST(Simulation, Seeds) {
  Tally tally;
  const auto run = [&](std::uint64_t seed) {
    const auto report = simulate({.seed = seed});
    tally.add(report.tally);
    EXPECT_FALSE(report.failure) << "seed " << seed << ": " << *report.failure
                                 << "\nreplay: simulation --seed=" << seed;
    return !report.failure;
  };
  if (wishes.seed) {
    run(*wishes.seed);
    return;
  }
  int failures = 0;
  for (std::uint64_t seed = 1; seed <= wishes.seeds && failures < 5; ++seed) failures += run(seed) ? 0 : 1;
  RecordProperty("seeds", static_cast<int>(wishes.seeds));
  if (failures > 0 || wishes.seeds < 200) return;
  // A simulation that never comes there proves nothing.
  EXPECT_GT(tally.applied, 0);
  EXPECT_GT(tally.replayed, 0);
  EXPECT_GT(tally.not_the_owner, 0);
  EXPECT_GT(tally.key_reused, 0);
  EXPECT_GT(tally.already_completed, 0);
  EXPECT_GT(tally.counter_overflow, 0);
  EXPECT_GT(tally.unstorable, 0);
  EXPECT_GT(tally.retry, 0);
  EXPECT_GT(tally.retry_maybe_applied, 0);
  EXPECT_GT(tally.crashes, 0);
  EXPECT_GT(tally.restarts, 0);
  EXPECT_GT(tally.late_writes_landed, 0);
  EXPECT_GT(tally.late_writes_failed, 0);
  EXPECT_GT(tally.rebuilds, 0);
  EXPECT_GT(tally.partitions_moved, 0);
  EXPECT_GT(tally.position_replays, 0);
  EXPECT_GT(tally.interleaved, 0);
  EXPECT_GT(tally.dead_letters, 0);
  EXPECT_GT(tally.dead_letters_lost, 0);
  EXPECT_GT(tally.dropped, 0);
  if (wishes.seeds >= 2000) {
    EXPECT_GT(tally.replayed_behind_a_dead_letter, 0);
  }
}

/// With one guard switched off, the checks have to see it within a few hundred seeds.
struct Control {
  const char* name;
  support::Broken broken = {};
  BrokenSource source = {};
};

void PrintTo(const Control& control, std::ostream* out) { *out << control.name; }

class NegativeControl : public testing::TestWithParam<Control> {};

TEST_P(NegativeControl, IsCaught) {
  constexpr std::uint64_t seeds_max = 300;
  std::uint64_t seed = 1;
  std::optional<std::string> failure;
  for (; seed <= seeds_max && !failure; ++seed)
    failure = simulate({.seed = seed, .broken = GetParam().broken, .broken_source = GetParam().source}).failure;
  ASSERT_TRUE(failure) << "nothing was noticed in " << seeds_max << " seeds";
  RecordProperty("caught_at_seed", static_cast<int>(seed - 1));
  RecordProperty("as", *failure);
}

INSTANTIATE_TEST_SUITE_P(Guards, NegativeControl,
                         testing::Values(Control{"unknown_is_absent", {.unknown_is_absent = true}},
                                         Control{"log_is_not_read", {.log_is_not_read = true}},
                                         Control{"snapshot_moves_back", {.snapshot_moves_back = true}},
                                         Control{"version_is_not_checked", {.version_is_not_checked = true}},
                                         Control{"answers_before_commit", {.answers_before_commit = true}},
                                         Control{"tokens_are_lost", {.tokens_are_lost = true}},
                                         Control{"look_up_before_load_without_index",
                                                 {.keys_are_looked_up_first = true, .key_index_is_missing = true}},
                                         Control{"horizon_is_ignored", {.horizon_is_ignored = true}},
                                         Control{"a_message_is_put_back_alone", {}, {.puts_back_alone = true}},
                                         Control{"an_epoch_for_each_message", {}, {.epoch_for_each = true}},
                                         Control{"gates_are_passed_early", {}, {.passes_gates_early = true}}),
                         [](const testing::TestParamInfo<Control>& control) {
                           return std::string{control.param.name};
                         });

}  // namespace
}  // namespace pebbles::simulation
