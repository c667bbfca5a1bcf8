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
const StreamId sales = stream_id("krn:acme", "sales.csv");

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
  EXPECT_EQ(reader.by_filename(sales).value(), nullptr);
  EXPECT_EQ(reader.by_id(acme, support::file_id(1)).value(), nullptr);
  EXPECT_TRUE(reader.list(acme, {.owner = {}, .after = {}, .limit = 10})->records.empty());
  EXPECT_TRUE(reader.events(sales, 0, {.events = 10})->events.empty());
  const auto page = reader.tail(0, 10);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->entries.empty());
  EXPECT_TRUE(reader.tail(page->next, 10)->entries.empty());
}

TEST_P(ProgressReaderContract, TheKeyOfCursorsStays) {
  const auto key = fixture->reader().cursor_key();
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_NE(*key, store::CursorKey{});
  EXPECT_EQ(fixture->reader().cursor_key().value(), *key);
  tell(sales, nullptr, {{}});
  fixture->reopen();
  EXPECT_EQ(fixture->reader().cursor_key().value(), *key);
  ASSERT_TRUE(fixture->verify());
  ASSERT_TRUE(fixture->rebuild());
  fixture->reopen();
  EXPECT_EQ(fixture->reader().cursor_key().value(), *key);
  const auto another = fixture->open_another();
  EXPECT_TRUE(!another || another->reader().cursor_key().value() == *key);
  EXPECT_NE(GetParam().make()->reader().cursor_key().value(), *key) << "another database has another key";
}

TEST_P(ProgressReaderContract, ReadsWhatWasCommittedJustBefore) {
  SnapshotPtr state;
  for (int i = 1; i <= 50; ++i) {
    state = tell(sales, state, {{.at = t0 + milliseconds{i}, .errors = {{.line = i, .message = "e"}}}});
    expect_same(fixture->reader().by_filename(sales).value(), state);
    expect_same(fixture->reader().by_id(acme, state->progress.id).value(), state);
    const auto page = fixture->reader().list(acme, {.owner = {}, .after = {}, .limit = 10});
    ASSERT_EQ(page->records.size(), 1U);
    expect_same(page->records.front(), state);
    EXPECT_EQ(fixture->reader().events(sales, i - 1, {.events = 10})->events.size(), 1U);
  }
}

TEST_P(ProgressReaderContract, WhatIsAtHandIsTheNewest) {
  EXPECT_EQ(fixture->reader().at_hand(sales), nullptr);
  SnapshotPtr state;
  SnapshotPtr others;
  for (int i = 1; i <= 50; ++i) {
    state = tell(sales, state, {{.at = t0 + milliseconds{i}}});
    if (i % 3 == 0) others = tell(stream_id("krn:acme", "other.csv"), others, {{.at = t0 + milliseconds{i}}});
    for (int again = 0; again < 2; ++again) {
      if (const auto found = fixture->reader().at_hand(sales)) expect_same(found, state);
      if (const auto found = fixture->reader().at_hand(acme, state->progress.id)) expect_same(found, state);
      expect_same(fixture->reader().by_filename(sales).value(), state);
    }
  }
}

TEST_P(ProgressReaderContract, AnotherClientSeesNothing) {
  const auto mine = tell(sales, nullptr, {{.key = "p:1"}});
  for (const auto* name : {"krn:Acme", "krn:acme ", "krn:acm", "krn:acme2", "", "%", "krn:%"}) {
    const domain::ClientKrn other{name};
    EXPECT_EQ(fixture->reader().at_hand(other, mine->progress.id), nullptr) << name;
    EXPECT_EQ(fixture->reader().at_hand({other, sales.filename}), nullptr) << name;
    EXPECT_EQ(fixture->reader().by_id(other, mine->progress.id).value(), nullptr) << name;
    EXPECT_EQ(fixture->reader().by_filename({other, sales.filename}).value(), nullptr) << name;
    EXPECT_TRUE(fixture->reader().list(other, {.owner = {}, .after = {}, .limit = 10})->records.empty()) << name;
    EXPECT_TRUE(fixture->reader().events({other, sales.filename}, 0, {.events = 10})->events.empty()) << name;
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
    const auto append = append_to(sales, state, updates);
    ASSERT_EQ(commit(append), store::AppendOutcome::stored);
    state = append.after;
    all.insert(all.end(), append.chunk.events.begin(), append.chunk.events.end());
  }
  for (const std::size_t limit : {1U, 3U, 7U, 54U, 55U, 56U}) {
    std::vector<domain::ProgressEvent> seen;
    bool more = true;
    while (more) {
      const auto page = fixture->reader().events(sales, static_cast<store::Version>(seen.size()), {.events = limit});
      ASSERT_TRUE(page);
      ASSERT_LE(page->events.size(), limit);
      ASSERT_FALSE(page->more && page->events.empty());
      seen.insert(seen.end(), page->events.begin(), page->events.end());
      more = page->more;
    }
    EXPECT_EQ(seen, all) << limit;
  }
  EXPECT_TRUE(fixture->reader().events(sales, 55, {.events = 10})->events.empty());
  EXPECT_TRUE(fixture->reader().events(sales, 1'000'000, {.events = 10})->events.empty());
}

TEST_P(ProgressReaderContract, APageOfEventsIsBoundedInBytes) {
  SnapshotPtr state;
  const std::string text(100'000, 'x');
  for (int i = 0; i < 6; ++i)
    state = tell(sales, state,
                 {{.errors = {{.line = 1, .message = text}}}, {}, {.errors = {{.line = 2, .message = text}}}});
  const auto all = events(sales);
  for (const std::size_t bytes : {1UL, 100'000UL, 250'000UL, 1'000'000'000UL}) {
    std::vector<domain::ProgressEvent> seen;
    bool more = true;
    while (more) {
      const auto page =
          fixture->reader().events(sales, static_cast<store::Version>(seen.size()), {.events = 1000, .bytes = bytes});
      ASSERT_TRUE(page);
      ASSERT_FALSE(page->events.empty());
      std::size_t size = 0;
      for (const auto& event : page->events)
        for (const auto& item : std::get<domain::Reported>(event.what).errors) size += item.message.size();
      EXPECT_TRUE(size <= bytes || page->events.size() == 1) << size;
      seen.insert(seen.end(), page->events.begin(), page->events.end());
      more = page->more;
    }
    EXPECT_EQ(seen, all) << bytes;
  }
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
  for (int i = 0; i < 100; ++i) state = tell(sales, state, {{}, {}});
  EXPECT_LE(fixture->reader().tail(0, 10)->entries.size(), 11U);  // whole commits: two events each
  EXPECT_GE(fixture->reader().tail(0, 10)->entries.size(), 10U);
  EXPECT_EQ(fixture->reader().tail(0, 1)->entries.size(), 2U);
}

/// Follows a client's feed; checks each file's order.
struct FeedReader {
  store::FeedPosition position;
  std::map<StreamId, std::vector<domain::ProgressEvent>> seen;

  /// To its present end.
  void read(store::ProgressReader& reader, const store::PageBounds& bounds, std::optional<std::int64_t> until = {}) {
    for (bool more = true; more;) {
      const auto page = reader.client_events(acme, {.after = position, .until = until, .bounds = bounds});
      ASSERT_TRUE(page) << page.error().detail;
      ASSERT_LE(page->entries.size(), bounds.events);
      take(*page);
      more = page->more;
    }
  }
  [[nodiscard]] std::size_t count() const {
    std::size_t out = 0;
    for (const auto& [stream, events] : seen) out += events.size();
    return out;
  }
  void take(const store::FeedPage& page) {
    for (const auto& entry : page.entries) {
      auto& events = seen[{acme, entry.filename}];
      ASSERT_EQ(entry.event.version, static_cast<store::Version>(events.size()) + 1) << *entry.filename;
      events.push_back(entry.event);
    }
    ASSERT_GE(page.next.place, position.place);
    position = page.next;
  }
};

TEST_P(ProgressReaderContract, AFeedShowsEachEventOfItsClientOnceInOrder) {
  std::map<StreamId, std::vector<domain::ProgressEvent>> expected;
  std::map<StreamId, SnapshotPtr> states;
  FeedReader following;
  for (int round = 0; round < 40; ++round) {
    std::vector<store::Append> batch;
    for (int i = 0; i <= round % 5; ++i) {
      const auto stream = stream_id(i % 2 == 0 ? "krn:acme" : "krn:acme2", fmt::format("{}.csv", (round + i) % 9));
      batch.push_back(
          append_to(stream, states[stream], {{.counts = {.done = round}}, {}, {.key = fmt::format("p:{}", round)}}));
    }
    for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
    for (const auto& append : batch) {
      const auto& stream = append.after->stream;
      states[stream] = append.after;
      if (stream.client == acme)
        expected[stream].insert(expected[stream].end(), append.chunk.events.begin(), append.chunk.events.end());
    }
    // An answered commit of the only writer shows at once.
    if (round % 3 == 0) {
      following.read(fixture->reader(), {.events = 1 + static_cast<std::size_t>(round) % 7});
      EXPECT_EQ(following.seen, expected);
    }
    if (round % 10 == 9) fixture->reopen();  // a position outlives the process
  }
  following.read(fixture->reader(), {.events = 5});
  EXPECT_EQ(following.seen, expected);
  for (const auto& bounds : {store::PageBounds{.events = 1},
                             {.events = 4},
                             {.events = 1000},
                             {.events = 1000, .bytes = 1},
                             {.events = 1000, .bytes = 500}}) {
    FeedReader from_the_beginning;
    from_the_beginning.read(fixture->reader(), bounds);
    EXPECT_EQ(from_the_beginning.seen, expected) << bounds.events;
  }
}

TEST_P(ProgressReaderContract, APageOfAFeedHasAllThatWasAnsweredBeforeIt) {
  auto state = tell(sales, nullptr, {{}});
  const auto first = fixture->reader().client_events(acme, {.bounds = {.events = 100}});
  ASSERT_EQ(first->entries.size(), 1U);
  for (int i = 0; i < 3; ++i) state = tell(sales, state, {{}});
  for (const auto& [after, left] : {std::pair{store::FeedPosition{}, 4U}, {first->next, 3U}}) {
    const auto page = fixture->reader().client_events(acme, {.after = after, .bounds = {.events = 100}});
    EXPECT_EQ(page->entries.size(), left);
    EXPECT_FALSE(page->more);
  }
}

TEST_P(ProgressReaderContract, AFeedGoesOnBehindAnyOfItsEvents) {
  SnapshotPtr state;
  for (int i = 0; i < 3; ++i) state = tell(sales, state, {{}, {}, {}});
  const auto all = fixture->reader().client_events(acme, {.bounds = {.events = 100}});
  ASSERT_TRUE(all);
  ASSERT_EQ(all->entries.size(), 9U);
  EXPECT_FALSE(all->more);
  for (std::size_t i = 0; i < all->entries.size(); ++i) {
    const auto rest =
        fixture->reader().client_events(acme, {.after = all->entries[i].position, .bounds = {.events = 100}});
    ASSERT_TRUE(rest);
    ASSERT_EQ(rest->entries.size(), 8 - i);
    if (!rest->entries.empty()) {
      EXPECT_EQ(rest->entries.front().event, all->entries[i + 1].event);
    }
  }
}

TEST_P(ProgressReaderContract, AFeedFromItsEndShowsWhatComes) {
  EXPECT_TRUE(fixture->reader().client_events(acme, {.bounds = {.events = 10}})->entries.empty());
  auto state = tell(sales, nullptr, {{}, {}});
  const auto end = fixture->reader().feed_end();
  ASSERT_TRUE(end);
  FeedReader whole, rest;
  rest.position = {.place = *end};
  rest.seen[sales] = events(sales);
  rest.read(fixture->reader(), {.events = 10});
  EXPECT_EQ(rest.seen[sales].size(), 2U);
  state = tell(sales, state, {{}, {}, {}});
  whole.read(fixture->reader(), {.events = 10}, *end);
  EXPECT_EQ(whole.seen[sales].size(), 2U) << "what came later is not before the end";
  rest.read(fixture->reader(), {.events = 10});
  EXPECT_EQ(rest.seen[sales], events(sales));
}

/// Many instances write, and others follow: each event once, none missed (invariant 16).
TEST_P(ProgressReaderContract, AFeedMissesNothingWhileManyWrite) {
  constexpr std::size_t instances = 3, rounds = 60, files = 4;
  std::vector<std::unique_ptr<store::Store>> others;
  std::vector<std::unique_ptr<store::EventStore>> writers;
  for (std::size_t i = 1; i < instances; ++i) {
    if (auto another = fixture->open_another()) {
      writers.push_back(another->writer());
      others.push_back(std::move(another));
    }
  }
  // Two events a file and round, of three files in even rounds and of two in odd ones. Beside other instances a feed
  // follows as they say that nothing is open.
  const std::size_t expected = (writers.size() + 1) * (rounds / 2) * 2 * (3 + 2);
  std::vector<FeedReader> following(2);
  const auto follow = [&](std::size_t i, store::ProgressReader& reader) {
    for (int patience = 0; patience < 20'000 && following[i].count() < expected; ++patience) {
      following[i].read(reader, {.events = 1 + 4 * i});
      std::this_thread::sleep_for(milliseconds{1});
    }
  };
  const auto write = [&](std::size_t instance, store::EventStore& store) {
    std::vector<SnapshotPtr> states(files);
    for (std::size_t round = 0; round < rounds; ++round) {
      std::vector<store::Append> batch;
      for (std::size_t i = round % 2; i < files; ++i)
        batch.push_back(append_to(stream_id(i == 3 ? "krn:other" : "krn:acme", fmt::format("{}-{}", instance, i)),
                                  states[i], {{.counts = {.done = static_cast<int>(round)}}, {}}));
      const auto outcomes = store.commit(batch);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        ASSERT_EQ(outcomes[i], store::AppendOutcome::stored);
        states[i + round % 2] = batch[i].after;
      }
      store.maintain(store::Load::pause);
    }
  };
  {
    std::vector<std::jthread> readers;
    readers.emplace_back([&] { follow(0, fixture->reader()); });
    readers.emplace_back([&] { follow(1, others.empty() ? fixture->reader() : others.front()->reader()); });
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { write(0, fixture->store()); });
    for (std::size_t i = 0; i < writers.size(); ++i) threads.emplace_back([&, i] { write(i + 1, *writers[i]); });
  }
  for (const auto& reader : following) {
    EXPECT_EQ(reader.seen.size(), 3 * (writers.size() + 1));
    for (const auto& [stream, seen] : reader.seen) EXPECT_EQ(seen, events(stream)) << *stream.filename;
  }
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
