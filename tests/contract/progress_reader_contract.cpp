#include "contract/progress_reader_contract.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "store/compare.hpp"

namespace pebbles::contract {
namespace {

using std::chrono::milliseconds;
using store::ListQuery;
using store::SnapshotPtr;
using store::StreamId;
using support::append_to;
using support::stream_id;
using support::t0;

const domain::ClientKrn acme{"krn:acme"};
const StreamId file = stream_id("krn:acme", "sales.csv");

std::vector<std::string> names_of(const std::vector<SnapshotPtr>& records) {
  std::vector<std::string> names;
  for (const auto& record : records) names.push_back(*record->stream.filename);
  return names;
}

store::ListPosition end_of(const store::ListPage& page) {
  return position_of(store::ListOrder::updated, *page.records.back());
}

TEST_P(ProgressReaderContract, AnEmptyStore) {
  auto& reader = fixture->reader();
  EXPECT_TRUE(reader.ping());
  EXPECT_EQ(reader.by_filename(file).value(), nullptr);
  EXPECT_EQ(reader.by_id(acme, support::file_id(1)).value(), nullptr);
  EXPECT_TRUE(reader.list(acme, {.owner = {}, .after = {}, .limit = 10})->records.empty());
  EXPECT_TRUE(reader.events(file, 0, 10)->events.empty());
  const auto page = reader.tail(0, 10);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->entries.empty());
  EXPECT_TRUE(reader.tail(page->next, 10)->entries.empty());
}

TEST_P(ProgressReaderContract, ReadsWhatWasCommittedJustBefore) {
  SnapshotPtr state;
  for (int i = 1; i <= 50; ++i) {
    state = tell(file, state, {{.at = t0 + milliseconds{i}, .errors = {{.line = i, .message = "e"}}}});
    expect_same(fixture->reader().by_filename(file).value(), state);
    expect_same(fixture->reader().by_id(acme, state->progress.id).value(), state);
    const auto page = fixture->reader().list(acme, {.owner = {}, .after = {}, .limit = 10});
    ASSERT_EQ(page->records.size(), 1U);
    expect_same(page->records.front(), state);
    EXPECT_EQ(fixture->reader().events(file, i - 1, 10)->events.size(), 1U);
  }
}

TEST_P(ProgressReaderContract, WhatIsAtHandIsTheNewest) {
  EXPECT_EQ(fixture->reader().at_hand(file), nullptr);
  SnapshotPtr state;
  SnapshotPtr others;
  for (int i = 1; i <= 50; ++i) {
    state = tell(file, state, {{.at = t0 + milliseconds{i}}});
    if (i % 3 == 0) others = tell(stream_id("krn:acme", "other.csv"), others, {{.at = t0 + milliseconds{i}}});
    for (int again = 0; again < 2; ++again) {
      if (const auto found = fixture->reader().at_hand(file)) expect_same(found, state);
      if (const auto found = fixture->reader().at_hand(acme, state->progress.id)) expect_same(found, state);
      expect_same(fixture->reader().by_filename(file).value(), state);
    }
  }
}

TEST_P(ProgressReaderContract, AnotherClientSeesNothing) {
  const auto mine = tell(file, nullptr, {{.key = "p:1"}});
  for (const auto* name : {"krn:Acme", "krn:acme ", "krn:acm", "krn:acme2", "", "%", "krn:%"}) {
    const domain::ClientKrn other{name};
    EXPECT_EQ(fixture->reader().at_hand(other, mine->progress.id), nullptr) << name;
    EXPECT_EQ(fixture->reader().at_hand({other, file.filename}), nullptr) << name;
    EXPECT_EQ(fixture->reader().by_id(other, mine->progress.id).value(), nullptr) << name;
    EXPECT_EQ(fixture->reader().by_filename({other, file.filename}).value(), nullptr) << name;
    EXPECT_TRUE(fixture->reader().list(other, {.owner = {}, .after = {}, .limit = 10})->records.empty()) << name;
    EXPECT_TRUE(fixture->reader().events({other, file.filename}, 0, 10)->events.empty()) << name;
  }
  if (!fixture->ids_belong_to_clients()) return;
  // Two clients may even have a file of one id.
  const auto theirs = stream_id("krn:other", "theirs.csv");
  const auto same_id = tell(theirs, nullptr, {{.id = mine->progress.id}});
  expect_same(fixture->reader().by_id(acme, mine->progress.id).value(), mine);
  expect_same(fixture->reader().by_id(theirs.client, mine->progress.id).value(), same_id);
}

TEST_P(ProgressReaderContract, ListsNewestFirst) {
  const auto make = [&](const char* name, int at, std::uint64_t id, const char* by = "ann@example.com") {
    return tell(stream_id("krn:acme", name), nullptr,
                {{.by = by, .at = t0 + milliseconds{at}, .id = support::file_id(id)}});
  };
  const auto oldest = make("oldest", 1, 99);
  make("tie-low", 5, 0x01ff);
  make("tie-high", 5, 0x0200);
  make("newest", 9, 1, "bob@example.com");
  make("tie-highest", 5, 0x8000'0000'0000'0000);
  const auto all = fixture->reader().list(acme, {.owner = {}, .after = {}, .limit = 10});
  EXPECT_EQ(names_of(all->records),
            (std::vector<std::string>{"newest", "tie-highest", "tie-high", "tie-low", "oldest"}));
  EXPECT_FALSE(all->next);

  tell(oldest->stream, oldest, {{.at = t0 + milliseconds{10}}});
  const auto anns = fixture->reader().list(acme, {.owner = domain::Email{"ann@example.com"}, .after = {}, .limit = 10});
  EXPECT_EQ(names_of(anns->records), (std::vector<std::string>{"oldest", "tie-highest", "tie-high", "tie-low"}));
  for (const auto* nobody : {"ANN@example.com", "ann", "", "%"})
    EXPECT_TRUE(
        fixture->reader().list(acme, {.owner = domain::Email{nobody}, .after = {}, .limit = 10})->records.empty());

  const auto first = fixture->reader().list(acme, {.owner = {}, .after = {}, .limit = 2});
  EXPECT_EQ(names_of(first->records), (std::vector<std::string>{"oldest", "newest"}));
  EXPECT_EQ(first->next, end_of(*first));
  const auto second = fixture->reader().list(acme, {.owner = {}, .after = end_of(*first), .limit = 2});
  EXPECT_EQ(names_of(second->records), (std::vector<std::string>{"tie-highest", "tie-high"}));
  EXPECT_EQ(second->next, end_of(*second));
  const auto third = fixture->reader().list(acme, {.owner = {}, .after = end_of(*second), .limit = 1});
  EXPECT_EQ(names_of(third->records), (std::vector<std::string>{"tie-low"}));
  EXPECT_FALSE(third->next);
  const auto end = fixture->reader().list(acme, {.owner = {}, .after = end_of(*third), .limit = 1});
  EXPECT_TRUE(end->records.empty());
}

/// Whoever does not change while a reader pages is met once; whoever does moves to the front and may be met or not.
TEST_P(ProgressReaderContract, PagesWhileUpdatesGoOn) {
  constexpr int files = 400;
  std::map<std::string, SnapshotPtr> states;
  std::vector<store::Append> batch;
  for (int i = 0; i < files; ++i)
    batch.push_back(append_to(
        stream_id("krn:acme", fmt::format("{}", i)), nullptr,
        {{.by = i % 3 == 0 ? "bob@example.com" : "ann@example.com", .at = t0 + milliseconds{i / 7}}}));  // many ties
  for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
  for (const auto& append : batch) states[*append.after->stream.filename] = append.after;

  for (const auto& owner : {std::optional<domain::Email>{}, std::optional{domain::Email{"bob@example.com"}}}) {
    std::map<std::string, int> met;
    std::set<std::string> changed;
    ListQuery query{.owner = owner, .after = {}, .limit = 7};
    int now = 100'000;
    for (int pages = 0; pages < 500; ++pages) {
      const auto page = fixture->reader().list(acme, query);
      ASSERT_TRUE(page);
      ASSERT_LE(page->records.size(), query.limit);
      for (const auto& record : page->records) ++met[*record->stream.filename];
      if (!page->next) break;
      query.after = page->next;
      const auto name = fmt::format("{}", pages * 11 % files);
      changed.insert(name);
      auto& state = states[name];
      state = tell(state->stream, state, {{.by = *state->progress.owner, .at = t0 + milliseconds{++now}}});
    }
    for (const auto& [name, state] : states) {
      const bool listed = !owner || state->progress.owner == *owner;
      if (!listed || !changed.contains(name)) {
        EXPECT_EQ(met[name], listed ? 1 : 0) << name;
      }
    }
  }
}

TEST_P(ProgressReaderContract, EventsInPages) {
  std::vector<domain::ProgressEvent> all;
  SnapshotPtr state;
  for (int chunk = 0; chunk < 10; ++chunk) {
    std::vector<Told> updates;
    for (int i = 0; i <= chunk; ++i) updates.push_back({.counts = {.done = chunk, .warn = i}});
    const auto append = append_to(file, state, updates);
    ASSERT_EQ(commit(append), store::AppendOutcome::stored);
    state = append.after;
    all.insert(all.end(), append.chunk.events.begin(), append.chunk.events.end());
  }
  for (const std::size_t limit : {1U, 3U, 7U, 54U, 55U, 56U}) {
    std::vector<domain::ProgressEvent> seen;
    bool more = true;
    while (more) {
      const auto page = fixture->reader().events(file, static_cast<store::Version>(seen.size()), limit);
      ASSERT_TRUE(page);
      ASSERT_LE(page->events.size(), limit);
      ASSERT_FALSE(page->more && page->events.empty());
      seen.insert(seen.end(), page->events.begin(), page->events.end());
      more = page->more;
    }
    EXPECT_EQ(seen, all) << limit;
  }
  EXPECT_TRUE(fixture->reader().events(file, 55, 10)->events.empty());
  EXPECT_TRUE(fixture->reader().events(file, 1'000'000, 10)->events.empty());
}

/// Reads the tail to its present end; checks each stream's order.
struct TailReader {
  store::TailCursor cursor = 0;
  std::map<StreamId, std::vector<domain::ProgressEvent>> seen;

  void read(store::ProgressReader& reader, std::size_t limit) {
    while (true) {
      const auto page = reader.tail(cursor, limit);
      ASSERT_TRUE(page);
      ASSERT_GE(page->next, cursor);
      if (page->entries.empty()) return;
      ASSERT_GT(page->next, cursor);
      cursor = page->next;
      for (const auto& entry : page->entries) {
        auto& events = seen[entry.stream];
        ASSERT_EQ(entry.event.version, static_cast<store::Version>(events.size()) + 1);
        events.push_back(entry.event);
      }
    }
  }
};

TEST_P(ProgressReaderContract, TheTailShowsEachEventOnceInOrder) {
  std::map<StreamId, std::vector<domain::ProgressEvent>> expected;
  std::map<StreamId, SnapshotPtr> states;
  TailReader following;
  for (int round = 0; round < 40; ++round) {
    std::vector<store::Append> batch;
    for (int i = 0; i <= round % 5; ++i) {
      const auto stream = stream_id(fmt::format("krn:{}", i % 2), fmt::format("{}.csv", (round + i) % 9));
      batch.push_back(
          append_to(stream, states[stream], {{.counts = {.done = round}}, {.key = fmt::format("p:{}", round)}}));
    }
    for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
    for (const auto& append : batch) {
      states[append.after->stream] = append.after;
      auto& events = expected[append.after->stream];
      events.insert(events.end(), append.chunk.events.begin(), append.chunk.events.end());
    }
    if (round % 3 == 0) following.read(fixture->reader(), 1 + static_cast<std::size_t>(round) % 7);
    if (round % 10 == 9) fixture->reopen();  // a cursor outlives the process
  }
  following.read(fixture->reader(), 5);
  EXPECT_EQ(following.seen, expected);
  for (const std::size_t limit : {1U, 4U, 1000U}) {
    TailReader from_the_beginning;
    from_the_beginning.read(fixture->reader(), limit);
    EXPECT_EQ(from_the_beginning.seen, expected) << limit;
  }
}

TEST_P(ProgressReaderContract, ATailPageIsBounded) {
  SnapshotPtr state;
  for (int i = 0; i < 100; ++i) state = tell(file, state, {{}, {}});
  EXPECT_LE(fixture->reader().tail(0, 10)->entries.size(), 11U);  // whole commits: two events each
  EXPECT_GE(fixture->reader().tail(0, 10)->entries.size(), 10U);
  EXPECT_EQ(fixture->reader().tail(0, 1)->entries.size(), 2U);
}

/// Nothing appears behind a cursor that was given out, and a reader sees whole states only.
TEST_P(ProgressReaderContract, AWriterAndReadersAtOnce) {
  constexpr int rounds = 300;
  constexpr int streams = 8;
  std::atomic<std::int64_t> committed = 0;
  TailReader following;
  std::jthread tail{[&](const std::stop_token& stop) {
    while (!stop.stop_requested()) following.read(fixture->reader(), 3);
  }};
  std::jthread records{[&](const std::stop_token& stop) {
    std::map<std::string, store::Version> seen;
    while (!stop.stop_requested()) {
      const auto least = committed.load();
      if (const auto found = fixture->reader().at_hand(stream_id("krn:acme", "0"))) {
        EXPECT_GE(found->progress.version, least);
      }
      const auto of_first = fixture->reader().by_filename(stream_id("krn:acme", "0"));
      ASSERT_TRUE(of_first);
      if (least > 0) {
        ASSERT_TRUE(*of_first);
        EXPECT_GE((*of_first)->progress.version, least);
      }
      const auto page = fixture->reader().list(acme, {.owner = {}, .after = {}, .limit = 100});
      ASSERT_TRUE(page);
      for (const auto& record : page->records) {
        auto& before = seen[*record->stream.filename];
        EXPECT_GE(record->progress.version, before);
        EXPECT_EQ(record->progress.counts.done, record->progress.version);
        EXPECT_EQ(record->progress.errors.count, record->progress.version);
        before = record->progress.version;
      }
    }
  }};
  std::vector<SnapshotPtr> states(streams);
  for (int round = 0; round < rounds; ++round) {
    std::vector<store::Append> batch;
    for (std::size_t i = 0; i < streams; i += 1 + static_cast<std::size_t>(round) % 2)
      batch.push_back(append_to(stream_id("krn:acme", fmt::format("{}", i)), states[i],
                                {{.at = t0 + milliseconds{round}, .errors = {{.line = 1, .message = "e"}}}}));
    for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
    for (const auto& append : batch) states[std::stoul(*append.after->stream.filename)] = append.after;
    committed = states[0]->progress.version;
  }
  records.request_stop();
  records.join();
  tail.request_stop();
  tail.join();
  following.read(fixture->reader(), 3);
  ASSERT_EQ(following.seen.size(), static_cast<std::size_t>(streams));
  for (const auto& state : states) EXPECT_EQ(following.seen[state->stream], events(state->stream));
}

}  // namespace
}  // namespace pebbles::contract
