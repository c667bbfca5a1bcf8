#include "domain/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenario.hpp"

namespace pebbles::domain {
namespace {

using support::t0;

Progress state_after(const std::vector<Told>& told) { return Scenario{}.given(told).state(); }

ItemList list(std::vector<Item> items) { return ItemList{std::move(items)}; }

std::vector<Item> items(std::size_t count, std::size_t bytes = 1) {
  std::vector<Item> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({.line = static_cast<std::int64_t>(i) + 1, .message = std::string(bytes, 'x')});
  return out;
}

TEST(Evolve, TheFirstEventMakesTheFile) {
  const auto state = state_after({{.counts = {.done = 500, .warn = 2, .failed = 1}}});
  EXPECT_EQ(state.version, 1);
  EXPECT_EQ(state.id, first_id);
  EXPECT_EQ(*state.owner, "ann@example.com");
  EXPECT_EQ(state.counts, (Counts{500, 2, 1}));
  EXPECT_EQ(state.total, std::nullopt);
  EXPECT_FALSE(state.completed);
  EXPECT_EQ(state.completed_at, std::nullopt);
  EXPECT_EQ(state.created_at, t0);
  EXPECT_EQ(state.updated_at, t0);
  EXPECT_EQ(state.errors, KeptItems{});
  EXPECT_TRUE(state.positions.empty());
}

TEST(Evolve, LaterEventsAddAndKeepWhatTheFirstSaid) {
  const auto later = t0 + std::chrono::seconds{5};
  const auto state = state_after({{.counts = {1, 2, 3}}, {.at = later, .counts = {10, 20, 30}}});
  EXPECT_EQ(state.version, 2);
  EXPECT_EQ(state.id, first_id);
  EXPECT_EQ(state.counts, (Counts{11, 22, 33}));
  EXPECT_EQ(state.created_at, t0);
  EXPECT_EQ(state.updated_at, later);
}

TEST(Evolve, TotalIsReplacedByALaterOneAndKeptWithoutOne) {
  EXPECT_EQ(state_after({{.total = 10}}).total, 10);
  EXPECT_EQ(state_after({{.total = 10}, {}}).total, 10);
  EXPECT_EQ(state_after({{.total = 10}, {.total = 7}}).total, 7);
  EXPECT_EQ(state_after({{}, {.total = 7}}).total, 7);
  EXPECT_EQ(state_after({{.counts = {.done = 9}, .total = 7}}).total, 7) << "smaller than what is done: as sent";
}

TEST(Evolve, TheLastUpdateCompletesAndCounts) {
  const auto later = t0 + std::chrono::seconds{5};
  const auto state = state_after({{.counts = {.done = 1}}, {.at = later, .counts = {.done = 2}, .is_last = true}});
  EXPECT_TRUE(state.completed);
  EXPECT_EQ(state.completed_at, later);
  EXPECT_EQ(state.counts.done, 3);
  EXPECT_TRUE(state_after({{.is_last = true}}).completed);
}

TEST(Evolve, ItemsAccumulateInOrderAndKindsStayApart) {
  const auto state = state_after({{.errors = {{.line = 2, .message = "a"}}, .warnings = {{.line = {}, .message = "w"}}},
                                  {},
                                  {.errors = {{.line = 1, .message = "b"}, {.line = {}, .message = "c"}}}});
  EXPECT_EQ(state.errors.first, list({Item{2, "a"}, Item{1, "b"}, Item{{}, "c"}}));
  EXPECT_EQ(state.errors.count, 3);
  EXPECT_EQ(state.warnings.first, list({Item{{}, "w"}}));
  EXPECT_EQ(state.warnings.count, 1);
}

struct KeptRow {
  std::string name;
  std::vector<std::vector<Item>> added;
  std::size_t kept;
  std::int64_t count;
};

void PrintTo(const KeptRow& row, std::ostream* out) { *out << row.name; }

class Kept : public testing::TestWithParam<KeptRow> {};

TEST_P(Kept, IsAPrefixWithTheTrueCount) {
  std::vector<Told> told;
  std::vector<Item> all;
  for (const auto& added : GetParam().added) {
    told.push_back({.errors = added});
    all.insert(all.end(), added.begin(), added.end());
  }
  const auto kept = state_after(told).errors;
  EXPECT_EQ(kept.first.size(), GetParam().kept);
  EXPECT_EQ(kept.count, GetParam().count);
  EXPECT_TRUE(std::equal(kept.first.begin(), kept.first.end(), all.begin()));
}

constexpr std::size_t half = kept_bytes_max / 2;

INSTANTIATE_TEST_SUITE_P(
    Table, Kept,
    testing::Values(
        KeptRow{"None", {{}}, 0, 0}, KeptRow{"Hundred", {items(100)}, 100, 100},
        KeptRow{"HundredAndOneAtOnce", {items(101)}, 100, 101},
        KeptRow{"HundredAndOneOneByOne", std::vector<std::vector<Item>>(101, items(1)), 100, 101},
        KeptRow{"AcrossTheLimit", {items(60), items(60), items(60)}, 100, 180},
        KeptRow{"AllBytes", {items(1, kept_bytes_max)}, 1, 1},
        KeptRow{"EveryTextCounts",
                {{{.message = std::string(kept_bytes_max - 3, 'x'), .code = "c", .field = "f", .value = "v"},
                  {.message = ""}},
                 {{.message = "", .code = "c"}}},
                2,
                3},
        KeptRow{"OneByteTooMany", {items(1, kept_bytes_max + 1)}, 0, 1},
        KeptRow{"AllBytesInTwo", {items(1, half), items(1, half)}, 2, 2},
        KeptRow{"OneByteTooManyInTwo", {items(1, half), items(1, half + 1)}, 1, 2},
        KeptRow{"BytesRunOutInsideOneUpdate", {items(5, half)}, 2, 5},
        // What did not fit closes the list: a small item behind it must not slip in.
        KeptRow{"ClosedByALargeOne", {items(1, kept_bytes_max + 1), items(3)}, 0, 4},
        KeptRow{"ClosedInsideOneUpdate", {{{1, "a"}, {2, std::string(kept_bytes_max, 'b')}, {3, "c"}}}, 1, 3},
        KeptRow{"StaysClosed", {items(1, half), items(1, half + 1), items(1), items(1)}, 1, 4},
        KeptRow{"EmptyMessagesCountToo", {items(100, 0), items(1, 0)}, 100, 101}),
    [](const auto& row) { return row.param.name; });

TEST(Evolve, PositionsAreOnePerPartitionTheLastMovedAtTheEnd) {
  const LogPosition a{"log", "topic", 0, 5}, b{"log", "topic", 1, 5}, later{"log", "topic", 0, 9};
  EXPECT_THAT(state_after({{.position = a}, {.position = b}, {}, {.position = later}}).positions,
              testing::ElementsAre(b, later));
}

TEST(Evolve, TheSameEventsFoldToTheSameState) {
  const std::vector<Told> told{{.counts = {1, 2, 3}, .errors = items(60)},
                               {.total = 4, .errors = items(60), .key = "p:1"}};
  EXPECT_EQ(state_after(told), state_after(told));
}

TEST(EvolveDeathTest, AnEventOutOfOrderIsABug) {
  ProgressEvent event{.version = 2, .id = {}, .at = t0, .by = {}, .channel = {}, .key = {}, .position = {}, .what = {}};
  EXPECT_DEATH((void)evolve(Progress{}, event), "out of order");
}

TEST(Adopt, SaysAllThatAFileOfBeforeTheLogHadBecome) {
  Progress old;
  old.owner = Email{"ann@example.com"};
  old.id = {1, 2, 3};
  old.counts = {.done = 9500, .warn = 25, .failed = 10};
  old.total = 10'000;
  old.created_at = Timestamp{std::chrono::milliseconds{1000}};
  old.updated_at = Timestamp{std::chrono::milliseconds{2000}};
  old.errors.first = ItemList{std::vector<Item>(250, Item{.line = 145, .message = "Invalid format"})};
  old.errors.count = 250;
  ASSERT_TRUE(old.is_before_log());
  const auto event = adopt(old);
  EXPECT_EQ(event.version, 1);
  EXPECT_EQ(event.at, old.updated_at);
  // Whether the fold starts from nothing or from the file as it stood, nothing is added twice.
  for (const auto& start : {Progress{}, old}) {
    const auto now = evolve(start, event);
    EXPECT_EQ(now.version, 1);
    EXPECT_EQ(now.id, old.id);
    EXPECT_EQ(now.owner, old.owner);
    EXPECT_EQ(now.counts, old.counts);
    EXPECT_EQ(now.total, old.total);
    EXPECT_EQ(now.created_at, old.created_at);
    EXPECT_EQ(now.updated_at, old.updated_at);
    EXPECT_EQ(now.errors.count, 250);
    EXPECT_EQ(now.errors.first.size(), kept_items_max);
    EXPECT_FALSE(now.completed);
  }
}

TEST(Adopt, ACompleteFileStaysComplete) {
  Progress old;
  old.owner = Email{"ann@example.com"};
  old.completed = true;
  old.updated_at = Timestamp{std::chrono::milliseconds{2000}};
  const auto now = evolve(Progress{}, adopt(old));
  EXPECT_TRUE(now.completed);
  EXPECT_EQ(now.completed_at, old.updated_at);
}

}  // namespace
}  // namespace pebbles::domain
