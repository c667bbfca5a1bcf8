#include "contract/event_store_contract.hpp"

#include <fmt/format.h>

#include "store/compare.hpp"
#include "store/log_format.hpp"

namespace pebbles::contract {

using store::Append;
using store::AppendOutcome;
using store::LoadMode;
using store::SnapshotPtr;
using store::StreamId;
using support::append_to;
using support::stream_id;

void StoreTest::expect_same(const SnapshotPtr& actual, const SnapshotPtr& expected) {
  ASSERT_TRUE(actual);
  ASSERT_TRUE(expected);
  EXPECT_EQ(actual->stream, expected->stream);
  EXPECT_EQ(store::difference(*actual, *expected), std::nullopt);
  EXPECT_EQ(actual->rev, expected->rev);
  EXPECT_EQ(actual->fold, expected->fold);
}

namespace {

const StreamId file = stream_id("krn:acme:client:1", "sales.csv");

TEST_P(EventStoreContract, ANewStream) {
  EXPECT_EQ(load(file), nullptr);
  const auto after = tell(file, nullptr, {{.counts = {.done = 5, .warn = 1, .failed = 2}, .total = 100}});
  expect_same(load(file), after);
  expect_same(load(file, LoadMode::snapshot_only), after);
}

TEST_P(EventStoreContract, AppendsFollowEachOther) {
  SnapshotPtr state;
  for (int i = 0; i < 50; ++i) state = tell(file, state, {{.counts = {.done = i}}, {.counts = {.warn = i}}});
  EXPECT_EQ(state->progress.version, 100);
  expect_same(load(file), state);
  fixture->reopen();
  expect_same(load(file), state);
  state = tell(file, load(file), {{.is_last = true}});
  expect_same(load(file), state);
}

TEST_P(EventStoreContract, AnotherVersionIsAConflictAndLeavesNothing) {
  const auto first = tell(file, nullptr, {{}});
  const auto second = tell(file, first, {{.counts = {.done = 10}}});
  EXPECT_EQ(commit(append_to(file, first, {{.counts = {.done = 100}, .key = "p:lost"}})), AppendOutcome::conflict);
  expect_same(load(file), second);
  fixture->reopen();
  expect_same(load(file), second);
  const store::KeyQuery query{.stream = file, .hash = support::key_hash("p:lost")};
  EXPECT_FALSE(fixture->store().find_keys(std::span{&query, 1})->front());
  EXPECT_EQ(events(file).size(), 2U);
  EXPECT_EQ(fixture->reader().tail(0, 100)->entries.size(), 2U);
  tell(file, second, {{.key = "p:lost"}});  // the key is still free
}

TEST_P(EventStoreContract, AVersionThatIsNotThereYetIsAConflict) {
  const auto first = tell(file, nullptr, {{}});
  const auto never = append_to(file, first, {{}}).after;
  EXPECT_EQ(commit(append_to(file, never, {{}})), AppendOutcome::conflict);
  const auto other = stream_id(*file.client, "never.csv");
  EXPECT_EQ(commit(append_to(other, append_to(other, nullptr, {{}}).after, {{}})), AppendOutcome::conflict);
  EXPECT_EQ(load(other), nullptr);
  expect_same(load(file), first);
}

TEST_P(EventStoreContract, AnotherRevIsAConflict) {
  const auto first = tell(file, nullptr, {{}});
  auto rebuilt = std::make_shared<store::Snapshot>(*first);
  rebuilt->rev = first->rev + 1;
  EXPECT_EQ(commit(append_to(file, rebuilt, {{}})), AppendOutcome::conflict);
  expect_same(load(file), first);
  tell(file, first, {{}});
}

TEST_P(EventStoreContract, OfTwoCreatorsOneIsStored) {
  const auto ann = append_to(file, nullptr, {{.by = "ann@example.com"}});
  const auto bob = append_to(file, nullptr, {{.by = "bob@example.com", .id = support::file_id(9)}});
  EXPECT_EQ(commit(ann), AppendOutcome::stored);
  EXPECT_EQ(commit(bob), AppendOutcome::conflict);
  EXPECT_EQ(commit(ann), AppendOutcome::conflict);  // the same append again: whose it is, its token tells
  expect_same(load(file), ann.after);
  EXPECT_EQ(fixture->reader().by_id(file.client, support::file_id(9)).value(), nullptr);
}

TEST_P(EventStoreContract, ABatchConflictsStreamByStream) {
  std::vector<SnapshotPtr> states;
  std::vector<Append> batch;
  for (int i = 0; i < 100; ++i) {
    const auto stream = stream_id("krn:acme", fmt::format("{}.csv", i));
    states.push_back(i % 2 == 0 ? nullptr : tell(stream, nullptr, {{}}));
    const auto stale = i % 5 == 0 && states.back() ? nullptr : states.back();
    batch.push_back(append_to(stream, stale, {{.counts = {.done = i}}, {}}));
  }
  const auto outcomes = commit(batch);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const bool conflicts = i % 5 == 0 && i % 2 == 1;
    EXPECT_EQ(outcomes[i], conflicts ? AppendOutcome::conflict : AppendOutcome::stored) << i;
    expect_same(load(batch[i].after->stream), conflicts ? states[i] : batch[i].after);
  }
  fixture->reopen();
  for (std::size_t i = 0; i < batch.size(); ++i)
    expect_same(load(batch[i].after->stream), i % 5 == 0 && i % 2 == 1 ? states[i] : batch[i].after);
}

TEST_P(EventStoreContract, AnEmptyBatch) {
  EXPECT_TRUE(fixture->store().commit({}).empty());
  EXPECT_TRUE(fixture->store().load({}, LoadMode::with_log)->empty());
  EXPECT_TRUE(fixture->store().find_keys({})->empty());
  EXPECT_TRUE(fixture->store().find_tokens({})->empty());
}

TEST_P(EventStoreContract, EveryMemberSurvives) {
  const std::string strange = "tab\there, \"quoted\" \\ and \x01\x1f\x7f, größe Ω 🙂\r\n\u2028 end";
  const std::vector<Told> updates{
      {.channel = domain::Channel::rest,
       .at = support::t0,
       .counts = {.done = 1, .warn = 2, .failed = 3},
       .total = domain::count_max,
       .errors = {{.line = 145, .message = strange}, {.line = {}, .message = ""}},
       .warnings = {{.line = domain::count_max, .message = "w"}},
       .key = "p:" + strange},
      {.channel = domain::Channel::sqs, .at = support::t0 + std::chrono::milliseconds{1}, .counts = {}, .key = "s:id"},
      {.channel = domain::Channel::kafka,
       .counts = {.done = domain::count_max - 1},
       .position =
           domain::LogPosition{
               .log = "l\"og", .topic = "töpic", .partition = 2'147'483'647, .offset = 9'000'000'000'000'000}},
      {.channel = domain::Channel::kafka,
       .counts = {},
       .total = 1,
       .is_last = true,
       .position = domain::LogPosition{.log = "log", .topic = "t", .partition = 0, .offset = 0}}};
  const auto append = append_to(file, nullptr, updates);
  ASSERT_EQ(commit(append), AppendOutcome::stored);
  for (int round = 0; round < 2; ++round) {
    expect_same(load(file), append.after);
    expect_same(fixture->reader().by_filename(file).value(), append.after);
    EXPECT_EQ(events(file), append.chunk.events);
    fixture->reopen();
  }
}

TEST_P(EventStoreContract, OlderTimesAndTimesBefore1970) {
  const auto after = tell(file, nullptr, {{.at = Timestamp{std::chrono::milliseconds{-1}}}});
  fixture->reopen();
  expect_same(load(file), after);
}

TEST_P(EventStoreContract, AKeyIsUniqueWithoutAnyLookUp) {
  auto state = tell(file, nullptr, {{.key = "p:1"}, {.key = "p:2"}});
  EXPECT_EQ(commit(append_to(file, state, {{.key = "p:1"}})), AppendOutcome::conflict);
  state = tell(file, state, {{.key = "p:3"}});
  EXPECT_EQ(commit(append_to(file, state, {{.key = "p:4"}, {.key = "p:2"}})), AppendOutcome::conflict);
  fixture->reopen();
  EXPECT_EQ(commit(append_to(file, state, {{.key = "p:3"}})), AppendOutcome::conflict);
  expect_same(load(file), state);
  // A key's scope is its file.
  tell(stream_id(*file.client, "other.csv"), nullptr, {{.key = "p:1"}});
  tell(stream_id("krn:other", *file.filename), nullptr, {{.key = "p:1"}});
  tell(file, state, {{.key = "p:4"}});
}

TEST_P(EventStoreContract, KeysAreFound) {
  auto state = tell(file, nullptr, {{.key = "p:1"}, {}, {.counts = {.done = 7}, .key = "s:1"}});
  state = tell(file, state, {{.key = "r:1"}});
  const auto other = stream_id(*file.client, "other.csv");
  tell(other, nullptr, {{.key = "p:other"}});
  const auto hash = [](std::string_view text) { return support::key_hash(text); };
  const std::vector<store::KeyQuery> queries{{file, hash("r:1")},
                                             {file, hash("p:other")},
                                             {file, hash("s:1")},
                                             {other, hash("p:other")},
                                             {file, hash("p:1")},
                                             {file, hash("p:1")},
                                             {stream_id("krn:none", "none"), hash("p:1")}};
  for (int round = 0; round < 2; ++round) {
    const auto hits = fixture->store().find_keys(queries);
    ASSERT_TRUE(hits);
    ASSERT_EQ(hits->size(), queries.size());
    const std::vector<store::Version> expected{4, 0, 3, 1, 1, 1, 0};
    for (std::size_t i = 0; i < queries.size(); ++i) EXPECT_EQ((*hits)[i] ? (*hits)[i]->version : 0, expected[i]) << i;
    ASSERT_TRUE((*hits)[2]);
    EXPECT_EQ((*hits)[2]->fingerprint, support::report({.counts = {.done = 7}, .key = "s:1"}).key->fingerprint);
    EXPECT_NE((*hits)[4]->fingerprint, (*hits)[2]->fingerprint);
    fixture->reopen();
  }
}

TEST_P(EventStoreContract, TokensAreFound) {
  const store::Token mine{.writer = 0xFFFF'FFFF'FFFF'FFFF, .sequence = 1};
  const store::Token theirs{.writer = 1, .sequence = 0x8000'0000'0000'0000};
  const auto first = append_to(file, nullptr, {{}, {}}, mine);
  ASSERT_EQ(commit(first), AppendOutcome::stored);
  ASSERT_EQ(commit(append_to(file, first.after, {{}}, theirs)), AppendOutcome::stored);
  const std::vector<store::ChunkQuery> queries{
      {file, 3}, {file, 1}, {file, 2}, {file, 4}, {stream_id("krn:none", "none"), 1}};
  for (int round = 0; round < 2; ++round) {
    const auto tokens = fixture->store().find_tokens(queries);
    ASSERT_TRUE(tokens);
    const std::vector<std::optional<store::Token>> expected{theirs, mine, {}, {}, {}};  // exactly the first version
    EXPECT_EQ(*tokens, expected);
    fixture->reopen();
  }
}

TEST_P(EventStoreContract, ALoadAnswersInTheOrderAsked) {
  const auto other = stream_id(*file.client, "other.csv");
  const auto none = stream_id(*file.client, "none.csv");
  const auto of_file = tell(file, nullptr, {{.counts = {.done = 1}}});
  const auto of_other = tell(other, nullptr, {{.counts = {.done = 2}}});
  const std::vector<StreamId> asked{other, none, file, other, none, file};
  for (const auto mode : {LoadMode::snapshot_only, LoadMode::with_log}) {
    const auto loaded = fixture->store().load(asked, mode);
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->size(), asked.size());
    const std::vector<SnapshotPtr> expected{of_other, nullptr, of_file, of_other, nullptr, of_file};
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto state = support::caught_up(asked[i], (*loaded)[i]);
      if (expected[i])
        expect_same(state, expected[i]);
      else
        EXPECT_EQ(state, nullptr);
    }
  }
}

TEST_P(EventStoreContract, ChunksBehindASnapshotChain) {
  SnapshotPtr state;
  std::vector<Append> appends;
  for (int i = 0; i < 10; ++i) {
    appends.push_back(append_to(file, state, {{.counts = {.done = i}, .key = fmt::format("p:{}", i)}, {}}));
    ASSERT_EQ(commit(appends.back()), AppendOutcome::stored);
    state = appends.back().after;
  }
  const auto loaded = fixture->store().load(std::span{&file, 1}, LoadMode::with_log);
  ASSERT_TRUE(loaded);
  for (const auto& chunk : loaded->front().after) {
    const auto& expected = appends[static_cast<std::size_t>(chunk.first / 2)].chunk;
    EXPECT_EQ(chunk.events, expected.events);
    EXPECT_EQ(chunk.prev, expected.prev);
    EXPECT_EQ(chunk.hash, expected.hash);
    EXPECT_EQ(chunk.token, expected.token);
  }
}

TEST_P(EventStoreContract, ABigChunk) {
  std::vector<domain::Item> items;
  for (int i = 1; i <= 10'000; ++i) items.push_back({.line = i, .message = fmt::format("line {} is wrong: ü\n", i)});
  std::vector<Told> updates{{.errors = items, .warnings = items}};
  for (int i = 0; i < 2'000; ++i) updates.push_back({.counts = {.done = i}, .key = fmt::format("p:{}", i)});
  const auto append = append_to(file, nullptr, updates);
  ASSERT_EQ(commit(append), AppendOutcome::stored);
  fixture->reopen();
  const auto state = load(file);
  expect_same(state, append.after);
  EXPECT_EQ(state->progress.errors.count, 10'000);
  EXPECT_EQ(state->progress.errors.first.size(), domain::kept_items_max);
  EXPECT_EQ(events(file), append.chunk.events);
}

TEST_P(EventStoreContract, ManyStreams) {
  constexpr int streams_count = 5'000;
  std::vector<Append> batch;
  std::vector<StreamId> streams;
  for (int i = 0; i < streams_count; ++i) {
    streams.push_back(stream_id(fmt::format("krn:{}", i % 7), fmt::format("{}.csv", i)));
    batch.push_back(append_to(streams.back(), nullptr, {{.counts = {.done = i}, .key = "p:1"}}));
  }
  for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, AppendOutcome::stored);
  for (auto& append : batch) append = append_to(append.after->stream, append.after, {{.key = "p:2"}});
  for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, AppendOutcome::stored);
  fixture->reopen();
  const auto loaded = fixture->store().load(streams, LoadMode::with_log);
  ASSERT_TRUE(loaded);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto state = support::caught_up(streams[i], (*loaded)[i]);
    ASSERT_TRUE(state);
    ASSERT_EQ(store::difference(*state, *batch[i].after), std::nullopt) << i;
  }
}

TEST_P(EventStoreContract, NamesAreComparedByteByByte) {
  const std::vector<std::string> names{"a",
                                       "A",
                                       "a ",
                                       " a",
                                       "ä",
                                       "a\u0308",
                                       "ß",
                                       "ss",
                                       "a.csv",
                                       "a%csv",
                                       "a_csv",
                                       "it's \"quoted\"",
                                       "100%/x;--",
                                       "🙂",
                                       "$where",
                                       "{\"$ne\":null}",
                                       "a\u00a0",
                                       "../a",
                                       "a/",
                                       "null",
                                       "0",
                                       "１",
                                       "1",
                                       std::string(1024, 'x'),
                                       std::string(1023, 'x') + "y"};
  std::vector<SnapshotPtr> states;
  std::vector<StreamId> streams;
  for (const auto& name : names) {
    streams.push_back(stream_id("krn:" + name, "f"));
    streams.push_back(stream_id("krn:f", name));
  }
  for (std::size_t i = 0; i < streams.size(); ++i)
    states.push_back(tell(streams[i], nullptr, {{.counts = {.done = static_cast<std::int64_t>(i)}, .key = "p:1"}}));
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      expect_same(load(streams[i]), states[i]);
      expect_same(fixture->reader().by_filename(streams[i]).value(), states[i]);
    }
    fixture->reopen();
  }
}

TEST_P(EventStoreContract, ManyPositions) {
  std::vector<Told> updates;
  for (int i = 0; i < 300; ++i)
    updates.push_back({.channel = domain::Channel::kafka,
                       .position = domain::LogPosition{.log = "log", .topic = "t", .partition = i % 290, .offset = i}});
  const auto after = tell(file, nullptr, updates);
  EXPECT_EQ(after->progress.positions.size(), domain::positions_max);
  fixture->reopen();
  expect_same(load(file), after);
}

TEST_P(EventStoreContract, EverythingSurvivesManyReopenings) {
  std::vector<SnapshotPtr> states(20);
  for (int round = 0; round < 10; ++round) {
    std::vector<Append> batch;
    for (std::size_t i = 0; i < states.size(); i += 1 + static_cast<std::size_t>(round) % 3)
      batch.push_back(
          append_to(stream_id("krn:a", fmt::format("{}", i)), states[i],
                    {{.errors = {{.line = round + 1, .message = "e"}}, .key = fmt::format("p:{}", round)}}));
    for (const auto outcome : commit(batch)) ASSERT_EQ(outcome, AppendOutcome::stored);
    for (const auto& append : batch) states[std::stoul(*append.after->stream.filename)] = append.after;
    fixture->reopen();
    for (const auto& state : states)
      if (state) expect_same(load(state->stream), state);
  }
}

TEST_P(EventStoreContract, UpkeepChangesNothingThatIsSeen) {
  SnapshotPtr state;
  for (int i = 0; i < 30; ++i) {
    state = tell(file, state, {{.key = fmt::format("p:{}", i)}});
    fixture->store().maintain(store::Load::pause);
  }
  for (int i = 0; i < 1000 && fixture->store().maintain(store::Load::idle); ++i) {
  }
  EXPECT_FALSE(fixture->store().maintain(store::Load::idle)) << "an idle lane comes to rest";
  expect_same(load(file), state);
  EXPECT_EQ(commit(append_to(file, state, {{.key = "p:3"}})), AppendOutcome::conflict);
  tell(file, state, {{}});
}

}  // namespace
}  // namespace pebbles::contract
