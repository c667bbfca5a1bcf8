#include "store/event_page.hpp"

#include <gtest/gtest.h>

namespace pebbles::store {
namespace {

const domain::Filename a{"a"}, b{"b"};

std::string chunk(std::size_t events) {
  std::vector<domain::ProgressEvent> out(events);
  for (std::size_t i = 0; i < events; ++i) out[i].version = static_cast<Version>(i) + 1;
  return encode_events(out);
}

/// The places of a log whose chunks partly share one, as those of two shards may.
struct Placed {
  std::int64_t place;
  domain::Filename file;
  std::size_t events;
};
const std::vector<Placed> placed{{3, a, 2}, {5, a, 3}, {5, b, 2}, {5, b, 1}, {9, a, 1}};

FeedPage read(const FeedQuery& query) {
  FeedPageMaker page{query};
  for (const auto& one : placed) {
    if (one.place < query.after.place || (one.place == query.after.place && query.after.given == 0)) continue;
    if (!page.add(one.place, one.file, chunk(one.events))) return std::move(page).finish(true).value();
  }
  return std::move(page).finish(false).value();
}

std::string names(const FeedPage& page) {
  std::string out;
  for (const auto& entry : page.entries) out += *entry.filename + std::to_string(entry.event.version) + ' ';
  return out;
}

constexpr std::string_view all = "a1 a2 a1 a2 a3 b1 b2 b1 a1 ";

TEST(FeedPageMaker, ChunksOfOnePlaceAreGivenOnceWhereverPagesEnd) {
  for (std::size_t size = 1; size <= 10; ++size) {
    std::string seen;
    FeedPosition after;
    for (bool more = true; more;) {
      const auto page = read({.after = after, .bounds = {.events = size}});
      ASSERT_LE(page.entries.size(), size);
      ASSERT_NE(page.next, after);
      seen += names(page);
      after = page.next;
      more = page.more;
    }
    EXPECT_EQ(seen, all) << size;
    EXPECT_EQ(after, (FeedPosition{.place = 9}));
  }
}

TEST(FeedPageMaker, GoesOnBehindAnyEntry) {
  const auto whole = read({.bounds = {.events = 100}});
  ASSERT_EQ(whole.entries.size(), 9U);
  for (std::size_t i = 0; i < whole.entries.size(); ++i)
    EXPECT_EQ(names(read({.after = whole.entries[i].position, .bounds = {.events = 100}})), all.substr(3 * (i + 1)));
}

TEST(FeedPageMaker, WhatWasLookedAtIsBehind) {
  FeedPageMaker page{{.after = {.place = 4}, .bounds = {.events = 10}}};
  page.passed(7);
  const auto empty = std::move(page).finish(true);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->entries.empty() && empty->more);
  EXPECT_EQ(empty->next, (FeedPosition{.place = 7}));
}

TEST(EventPageMaker, SaysWhatIsNotAnEvent) {
  EventPageMaker page{0, {.events = 10}};
  EXPECT_TRUE(page.add(chunk(1) + "{}\n"));
  EXPECT_EQ(page.finish().error().code, Errc::store_corrupt);
}

}  // namespace
}  // namespace pebbles::store
