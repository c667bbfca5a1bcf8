#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <set>
#include <thread>

#include "contract/deleting_contract.hpp"
#include "contract/event_store_contract.hpp"
#include "contract/finding_contract.hpp"
#include "contract/pruner_contract.hpp"
#include "crypto/sha256.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/driver.hpp"
#include "store/mongo/mongo_store.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::contract {
namespace {

/// A server that script/test has started; its address comes as a variable. Each fixture has a database of its own.
class MongoFixture final : public StoreFixture {
 public:
  MongoFixture(const char* variable) {
    static const bool silent = telemetry::start_log("off", telemetry::LogFormat::text);
    (void)silent;
    std::uint64_t number = 0;
    crypto::fill_random({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
    options_.uri = fmt::format("{}/pebbles_contract_{:016x}", std::getenv(variable), number);
    options_.prune_waits = {.age = {}, .grace = {}, .held = {}};
    reopen();
  }
  /// To close takes the driver's monitors half a second: the next case need not wait for that.
  ~MongoFixture() override {
    writer_.reset();
    static std::vector<std::future<void>> closing;  // each waits at the end of the process
    closing.push_back(std::async(std::launch::async, [store = std::move(store_), text = options_.uri]() mutable {
      store.reset();
      drop_database(text);
    }));
  }
  MongoFixture(const MongoFixture&) = delete;
  MongoFixture& operator=(const MongoFixture&) = delete;

  store::EventStore& store() override { return *writer_; }
  store::ProgressReader& reader() override { return store_->reader(); }
  void reopen() override {
    writer_.reset();
    store_.reset();
    auto opened = store::MongoStore::open(options_);
    if (!opened) throw std::runtime_error{opened.error().detail};
    store_ = *std::move(opened);
    writer_ = store_->writer();
  }
  bool ids_belong_to_clients() const override { return false; }  // an id is a document's `_id`
  std::unique_ptr<store::Store> open_another() override { return store::MongoStore::open(options_).value(); }
  void after_commit() override { writer_->maintain(store::Load::idle); }
  Result<store::Pruned> prune(const std::function<Result<store::Pruned>(store::Pruner&)>& step) override {
    return step(store_->pruner());
  }
  Result<store::VerifyReport> verify() override { return store::verify_mongo(options_, {}); }
  Result<store::RebuildReport> rebuild() override { return store::rebuild_mongo(options_, {}); }

  /// A lane of another instance, as far as anybody can tell.
  std::unique_ptr<store::EventStore> another_lane() { return store_->writer(); }
  void reopen(const store::PruneWaits& waits) {
    options_.prune_waits = waits;
    reopen();
  }

  // What somebody does with the database beside the store.
  std::int64_t count(const char* collection, const char* filter = "{}") {
    return with(collection, [&](mongoc_collection_t* in) {
      bson_error_t error;
      return mongoc_collection_count_documents(in, from_json(filter).get(), nullptr, nullptr, nullptr, &error);
    });
  }
  void insert_snapshot(const store::Snapshot& state) {
    with("progress", [&](mongoc_collection_t* in) {
      bson_error_t error;
      store::mongo::Bson same;
      same.object_id("_id", state.progress.id);
      mongoc_collection_delete_one(in, same.get(), nullptr, nullptr, &error);
      return mongoc_collection_insert_one(in, store::mongo::snapshot_document(state).get(), nullptr, nullptr, &error);
    });
  }
  void insert(const char* collection, const std::string& document) {
    with(collection, [&](mongoc_collection_t* in) {
      bson_error_t error;
      const bool done = mongoc_collection_insert_one(in, from_json(document.c_str()).get(), nullptr, nullptr, &error);
      EXPECT_TRUE(done) << error.message;
      return done;
    });
  }
  void remove(const char* collection) {
    with(collection, [](mongoc_collection_t* in) {
      bson_error_t error;
      return mongoc_collection_delete_many(in, from_json("{}").get(), nullptr, nullptr, &error);
    });
  }
  [[nodiscard]] const store::MongoOptions& options() const { return options_; }
  void remove_snapshots() {
    with("progress", [](mongoc_collection_t* in) {
      bson_error_t error;
      return mongoc_collection_delete_many(in, from_json("{}").get(), nullptr, nullptr, &error);
    });
  }
  void remove_chunk(const store::StreamId& stream, store::Version first) {
    with("progress_events", [&](mongoc_collection_t* in) {
      bson_error_t error;
      store::mongo::Bson same;
      same.document("_id", store::mongo::chunk_id(stream, first));
      return mongoc_collection_delete_one(in, same.get(), nullptr, nullptr, &error);
    });
  }
  /// Has the server note what its operations cost, in `system.profile`.
  void profile(bool on) {
    with("progress", [&](mongoc_collection_t* in) {
      bson_error_t error;
      EXPECT_TRUE(mongoc_collection_command_simple(in, from_json(on ? R"({"profile": 2})" : R"({"profile": 0})").get(),
                                                   nullptr, nullptr, &error))
          << error.message;
      return on;
    });
  }
  /// As if the time had come for all that waits for one.
  void make_due() {
    with("progress_events", [](mongoc_collection_t* in) {
      bson_error_t error;
      return mongoc_collection_update_many(in, from_json(R"({"due": {"$exists": true}})").get(),
                                           from_json(R"({"$set": {"due": {"$date": 0}}})").get(), nullptr, nullptr,
                                           &error);
    });
  }

 private:
  static store::mongo::Bson from_json(const char* text) {
    bson_error_t error;
    bson_t* const parsed = bson_new_from_json(reinterpret_cast<const std::uint8_t*>(text), -1, &error);
    EXPECT_NE(parsed, nullptr) << error.message;
    store::mongo::Bson out{parsed};
    bson_destroy(parsed);
    return out;
  }

  template <class Work>
  std::invoke_result_t<Work&, mongoc_collection_t*> with(const char* collection, Work&& work) {
    const store::mongo::Uri uri{mongoc_uri_new(options_.uri.c_str())};
    const std::unique_ptr<mongoc_client_t, store::mongo::Destroy<mongoc_client_destroy>> client{
        mongoc_client_new_from_uri(uri.get())};
    const store::mongo::Collection in{
        mongoc_client_get_collection(client.get(), mongoc_uri_get_database(uri.get()), collection)};
    return work(in.get());
  }

  static void drop_database(const std::string& text) {
    bson_error_t error;
    const store::mongo::Uri uri{mongoc_uri_new_with_error(text.c_str(), &error)};
    const std::unique_ptr<mongoc_client_t, store::mongo::Destroy<mongoc_client_destroy>> client{
        mongoc_client_new_from_uri(uri.get())};
    const std::unique_ptr<mongoc_database_t, store::mongo::Destroy<mongoc_database_destroy>> database{
        mongoc_client_get_database(client.get(), mongoc_uri_get_database(uri.get()))};
    mongoc_database_drop(database.get(), &error);
  }

  store::MongoOptions options_;
  std::unique_ptr<store::MongoStore> store_;
  std::unique_ptr<store::EventStore> writer_;
};

std::vector<Implementation> mongo_implementations() {
  std::vector<Implementation> out;
  const auto add = [&](std::string name, const char* variable) {
    if (std::getenv(variable) == nullptr) return;
    out.push_back({std::move(name), [=] { return std::make_unique<MongoFixture>(variable); }});
  };
  add("replica_set", "PEBBLES_TEST_MONGO");
  add("standalone", "PEBBLES_TEST_MONGO_STANDALONE");
  return out;
}

MongoFixture& mongo(StoreFixture& fixture) { return dynamic_cast<MongoFixture&>(fixture); }

/// What only this store does: a busy file's snapshot follows its log a little later.
class MongoSnapshots : public StoreTest {
 protected:
  const store::StreamId file = support::stream_id("krn:acme:client:1", "sales.csv");

  /// More updates than a worker or two send one by one.
  store::SnapshotPtr tell_much(const store::SnapshotPtr& before, std::int64_t done = 1) {
    const auto append = support::append_to(file, before, std::vector<Told>(10, {.counts = {.done = done}}));
    EXPECT_EQ(fixture->store().commit(std::vector{append}).front(), store::AppendOutcome::stored);
    return append.after;
  }
  std::int64_t listed_version() {
    const auto page = fixture->reader().list(file.client, {.limit = 10});
    return page && page->records.size() == 1 ? page->records.front()->progress.version : -1;
  }
};

TEST_P(MongoSnapshots, ARecordIsWhereItsLogIsAndListsFollow) {
  auto state = tell_much(nullptr);
  EXPECT_EQ(listed_version(), 10);  // a new file is written at once
  state = tell_much(state);
  state = tell_much(state);
  expect_same(fixture->reader().by_filename(file).value(), state);
  expect_same(fixture->reader().by_id(file.client, state->progress.id).value(), state);
  expect_same(load(file), state);
  EXPECT_EQ(listed_version(), 10);
  fixture->store().maintain(store::Load::idle);
  EXPECT_EQ(listed_version(), 30);
}

TEST_P(MongoSnapshots, WhatIsNoTextIsRefusedAlone) {
  const auto other = support::stream_id("krn:acme:client:1", "other.csv");
  auto bad = support::append_to(file, nullptr, {{.counts = {.done = 1}}});
  bad.text.insert(bad.text.size() / 2, "\xff");
  const auto outcomes =
      fixture->store().commit(std::vector{bad, support::append_to(other, nullptr, {{.counts = {.done = 1}}})});
  EXPECT_EQ(outcomes, (std::vector{store::AppendOutcome::refused, store::AppendOutcome::stored}));
  EXPECT_EQ(load(file), nullptr);
}

TEST_P(MongoSnapshots, RoundsFollowBesideTheCommits) {
  auto state = tell_much(nullptr);
  for (std::int64_t listed = 10; listed < 300;) {
    if (state->progress.version < 300) state = tell_much(state);
    fixture->store().maintain(store::Load::busy);
    const auto now = listed_version();
    ASSERT_GE(now, listed) << "a snapshot went back";
    ASSERT_EQ(now % 10, 0);
    listed = now;
  }
  expect_same(load(file), state);
}

TEST_P(MongoSnapshots, WhatCompletesAFileOvertakesTheRoundUnderWay) {
  auto state = tell_much(tell_much(nullptr));
  fixture->store().maintain(store::Load::busy);  // begins a round
  const auto append = support::append_to(file, state, {{}, {}, {}, {}, {.is_last = true}});
  EXPECT_EQ(fixture->store().commit(std::vector{append}).front(), store::AppendOutcome::stored);
  EXPECT_EQ(listed_version(), 25);
  fixture->store().maintain(store::Load::idle);
  EXPECT_EQ(listed_version(), 25);
}

TEST_P(MongoSnapshots, AWriterThatEndsLeavesNothingBehind) {
  auto state = tell_much(tell_much(nullptr));
  EXPECT_EQ(listed_version(), 10);
  fixture->reopen();
  EXPECT_EQ(listed_version(), 20);
}

TEST_P(MongoSnapshots, WhatCompletesAFileIsWrittenAtOnce) {
  const auto state = tell_much(tell_much(nullptr));
  const auto append = support::append_to(file, state, {{}, {}, {}, {}, {.is_last = true}});
  EXPECT_EQ(fixture->store().commit(std::vector{append}).front(), store::AppendOutcome::stored);
  EXPECT_EQ(listed_version(), 25);
}

TEST_P(MongoSnapshots, TheKeyOfCursorsIsOneForAllThatStartAtOnce) {
  for (int round = 0; round < 3; ++round) {
    mongo(*fixture).remove("pebbles_secrets");
    std::vector<std::future<store::CursorKey>> starts(4);
    for (auto& start : starts)
      start = std::async(std::launch::async, [this] {
        const auto opened = fixture->open_another();
        for (;;) {  // the loser of a race may have to look again
          if (const auto key = opened->reader().cursor_key()) return *key;
          std::this_thread::sleep_for(std::chrono::milliseconds{10});
        }
      });
    std::set<store::CursorKey> keys;
    for (auto& start : starts) keys.insert(start.get());
    EXPECT_EQ(keys.size(), 1U);
  }
}

TEST_P(MongoSnapshots, AKeyOfCursorsIsNotReplacedWhereItIsWrong) {
  for (const auto* wrong : {R"({"_id": "cursorKey"})", R"({"_id": "cursorKey", "key": null})",
                            R"({"_id": "cursorKey", "key": "0123456789abcdef0123456789abcdef"})",
                            R"({"_id": "cursorKey", "key": {"$binary": {"base64": "", "subType": "00"}}})",
                            R"({"_id": "cursorKey", "key": {"$binary": {"base64": "AAAA", "subType": "00"}}})",
                            R"({"_id": "cursorKey", "key": 32})"}) {
    mongo(*fixture).remove("pebbles_secrets");
    mongo(*fixture).insert("pebbles_secrets", wrong);
    const auto opened = store::MongoStore::open(mongo(*fixture).options());
    ASSERT_FALSE(opened) << wrong;
    EXPECT_EQ(opened.error().code, Errc::store_corrupt);
    EXPECT_TRUE(opened.error().detail.contains("the document 'cursorKey' of pebbles_secrets")) << opened.error().detail;
    EXPECT_EQ(mongo(*fixture).count("pebbles_secrets", wrong), 1) << "it is left alone";
  }
  const auto key = fixture->reader().cursor_key().value();
  mongo(*fixture).remove("pebbles_secrets");
  EXPECT_EQ(fixture->reader().cursor_key().value(), key) << "who runs goes on";
  fixture->reopen();
  EXPECT_NE(fixture->reader().cursor_key().value(), key);
}

class MongoDeleting : public MongoSnapshots {
 protected:
  /// Ten updates that a lane keeps to itself for now.
  store::SnapshotPtr tell_late(store::EventStore& lane, const store::SnapshotPtr& before) {
    const auto append = support::append_to(file, before, std::vector<Told>(10));
    EXPECT_EQ(lane.commit(std::vector{append}).front(), store::AppendOutcome::stored);
    return append.after;
  }
  store::SnapshotPtr load_by(store::EventStore& lane) {
    return support::caught_up(file, lane.load(std::span{&file, 1}, store::LoadMode::with_log).value().front());
  }
  void expect_only(const store::SnapshotPtr& state) {
    const auto page = fixture->reader().list(file.client, {.owner = {}, .after = {}, .limit = 10});
    ASSERT_TRUE(page);
    ASSERT_EQ(page->records.size(), state ? 1U : 0U);
    if (state) expect_same(page->records.front(), state);
    const auto report = fixture->verify();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->differing, 0);
  }
};

TEST_P(MongoDeleting, AnOlderSnapshotThatComesLateBringsNothingBack) {
  auto state = tell(file, nullptr, {{}});
  const auto other = mongo(*fixture).another_lane();
  state = tell_late(*other, load_by(*other));
  const auto gone = tell(file, load(file), {{.deletes = true}});
  expect_only(nullptr);
  for (int i = 0; i < 3; ++i) other->maintain(store::Load::idle);
  expect_only(nullptr);
  EXPECT_EQ(fixture->reader().by_id(file.client, state->progress.id).value(), nullptr);
  expect_same(load(file), gone);
}

TEST_P(MongoDeleting, NorBesideANewLife) {
  auto state = tell(file, nullptr, {{}});
  const auto other = mongo(*fixture).another_lane();
  tell_late(*other, load_by(*other));
  const auto gone = tell(file, load(file), {{.deletes = true}});
  const auto fresh = tell(file, gone, {{}});
  other->maintain(store::Load::idle);
  expect_only(fresh);
  expect_same(load(file), fresh);
}

TEST_P(MongoDeleting, LivesThatPassWithinOneRound) {
  const auto first = tell(file, nullptr, {{}});
  const auto other = mongo(*fixture).another_lane();
  tell_late(*other, load_by(*other));  // waits for the round, and the lane knows nothing of what follows
  const auto second = tell(file, tell(file, load(file), {{.deletes = true}}), {{}});
  const auto third = tell(file, tell(file, load(file), {{.deletes = true}}), {{}});
  const auto newest = tell_late(*other, load_by(*other));
  for (int i = 0; i < 3; ++i) other->maintain(store::Load::idle);
  expect_only(newest);
  EXPECT_EQ(newest->progress.id, third->progress.id);
  for (const auto& over : {first, second})
    EXPECT_EQ(fixture->reader().by_id(file.client, over->progress.id).value(), nullptr);
  expect_same(load(file), newest);
}

TEST_P(MongoDeleting, ItIsWrittenAtOnceAmongManyUpdates) {
  const auto state = tell(file, nullptr, {{}});
  const auto other = support::stream_id("krn:other", "other.csv");
  const std::vector batch{support::append_to(file, state, {{.deletes = true}}),
                          support::append_to(other, nullptr, std::vector<Told>(10))};
  for (const auto outcome : fixture->store().commit(batch)) EXPECT_EQ(outcome, store::AppendOutcome::stored);
  expect_only(nullptr);
}

TEST_P(MongoDeleting, WhoeverLearnsOfANewLifeHidesTheOneBefore) {
  const auto first = tell(file, nullptr, {{}});
  const auto other = mongo(*fixture).another_lane();
  tell_late(*other, load_by(*other));
  tell(file, tell(file, load(file), {{.deletes = true}}), {{.by = "bob@example.com"}});
  mongo(*fixture).insert_snapshot(*first);  // whoever deleted it has died before the tombstone
  const auto append = support::append_to(file, load_by(*other), std::vector<Told>(10, {.by = "bob@example.com"}));
  EXPECT_EQ(other->commit(std::vector{append}).front(), store::AppendOutcome::stored);
  for (int i = 0; i < 3; ++i) other->maintain(store::Load::idle);
  expect_only(append.after);
  EXPECT_EQ(fixture->reader().by_id(file.client, first->progress.id).value(), nullptr);
  expect_same(load(file), append.after);
}

TEST_P(MongoDeleting, ALaneThatEndsBetweenChunkAndSnapshotLeavesItToTheLog) {
  const auto other = mongo(*fixture).another_lane();
  auto state = tell(file, nullptr, {{}});
  state = tell_much(state);
  expect_same(fixture->reader().by_filename(file).value(), state);
  // The state of a deleted file is read behind a snapshot that lags, too.
  const auto append = support::append_to(file, state, {{.deletes = true}});
  EXPECT_EQ(other->commit(std::vector{append}).front(), store::AppendOutcome::stored);
  expect_only(nullptr);
  EXPECT_EQ(fixture->reader().by_filename(file).value(), nullptr);
  fixture->store().maintain(store::Load::idle);  // what waited is older
  expect_only(nullptr);
}

TEST_P(MongoDeleting, RebuildPutsInOrderWhatStoodStill) {
  const auto state = tell(file, nullptr, {{}});
  const auto gone = tell(file, state, {{.deletes = true}});
  const auto fresh = tell(file, gone, {{.by = "bob@example.com"}});
  mongo(*fixture).insert_snapshot(*state);  // as an instance would that stood still until the tombstone was gone
  auto report = fixture->verify();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->differing, 1);
  const auto rebuilt = fixture->rebuild();
  ASSERT_TRUE(rebuilt);
  EXPECT_EQ(rebuilt->rewritten, 1);
  expect_only(fresh);
}

/// Pruning in pieces, and interrupted.
class MongoPruning : public MongoDeleting {
 protected:
  store::Pruned step(const std::function<Result<store::Pruned>(store::Pruner&)>& step) {
    const auto done = fixture->prune(step);
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(store::Pruned{});
  }
  store::Pruned cut() {
    return step([&](store::Pruner& pruner) -> Result<store::Pruned> {
      PEBBLES_TRY(now, pruner.now());
      return pruner.cut_logs({}, now + std::chrono::hours{1}, false);
    });
  }
  store::Pruned bury(Timestamp before = {}) {
    return step([&](store::Pruner& pruner) { return pruner.bury(before, false); });
  }
  std::optional<domain::KeyHit> hit(std::string_view key) {
    const store::KeyQuery query{.stream = file, .hash = support::key_hash(key)};
    return fixture->store().find_keys(std::span{&query, 1}).value().front();
  }
  std::int64_t chunks() { return mongo(*fixture).count("progress_events"); }
  void expect_clean() {
    const auto report = fixture->verify();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->differing, 0);
    for (const auto& difference : report->differences) ADD_FAILURE() << difference.what;
  }
};

TEST_P(MongoPruning, WhatIsYoungIsLeftAlone) {
  mongo(*fixture).reopen(store::PruneWaits{});
  auto state = tell(file, nullptr, {{}});
  state = tell(file, state, {{.deletes = true}});
  EXPECT_EQ(cut().events, 0);
  EXPECT_EQ(bury().events, 0);
  EXPECT_EQ(chunks(), 2);
  expect_same(load(file), state);
}

TEST_P(MongoPruning, ALogIsReadableBetweenTheTwoMoves) {
  using std::chrono::hours;
  mongo(*fixture).reopen({.age = {}, .grace = hours{1}, .held = {}});
  store::SnapshotPtr state;
  for (int i = 0; i < 5; ++i) state = tell(file, state, {{.key = fmt::format("p:{}", i)}});
  EXPECT_EQ(cut().events, 5);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(cut().events, round > 0 ? 1 : 0);
    EXPECT_EQ(chunks(), 5 + round);
    expect_clean();
    expect_same(load(file), state);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(hit(fmt::format("p:{}", i))->version, i + 1);
    EXPECT_EQ(fixture->reader().events(file, 0, {.events = 100})->events.size(), 1U);
    mongo(*fixture).remove_snapshots();  // the log alone says it
    expect_clean();
    expect_same(load(file), state);
    state = tell(file, load(file), {{}});
  }
  // And then what is covered goes, but for the keys.
  mongo(*fixture).reopen({.age = hours{1}, .grace = {}, .held = {}});
  EXPECT_EQ(chunks(), 8);
  mongo(*fixture).make_due();
  cut();
  EXPECT_EQ(chunks(), 6);
  EXPECT_EQ(mongo(*fixture).count("progress_events", R"({"events": {"$exists": false}})"), 4);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(hit(fmt::format("p:{}", i))->version, i + 1);
  expect_clean();
  expect_same(load(file), state);
}

TEST_P(MongoPruning, KeysGoInTheirTime) {
  store::SnapshotPtr state;
  for (int i = 0; i < 5; ++i) state = tell(file, state, {{.key = fmt::format("p:{}", i)}});
  cut();
  cut();
  EXPECT_EQ(chunks(), 5);
  ASSERT_TRUE(hit("p:0"));
  ASSERT_TRUE(hit("p:3"));
  mongo(*fixture).make_due();
  cut();
  EXPECT_EQ(chunks(), 1);
  EXPECT_FALSE(hit("p:3"));
  EXPECT_TRUE(hit("p:0")) << "that of the baseline has a time of its own";
  expect_clean();
  expect_same(load(file), state);
  mongo(*fixture).reopen({.age = {}, .grace = {}, .held = {}, .keys = {}});
  for (int i = 5; i < 10; ++i) state = tell(file, state, {{.key = fmt::format("p:{}", i)}});
  cut();
  cut();
  EXPECT_EQ(chunks(), 1);
  EXPECT_FALSE(hit("p:7"));
  expect_same(load(file), state);
}

TEST_P(MongoPruning, ALongLogGoesInPieces) {
  store::SnapshotPtr state;
  std::int64_t events = 0;
  for (int i = 0; i < 700; ++i) {
    const auto append = support::append_to(file, state, std::vector<Told>(i % 3 + 1));
    ASSERT_EQ(fixture->store().commit(std::vector{append}).front(), store::AppendOutcome::stored);
    state = append.after;
    events += i % 3 + 1;
  }
  fixture->after_commit();
  std::int64_t gone = 0;
  for (int steps = 0; steps < 1000; ++steps) {
    const auto done = cut();
    gone += done.events;
    if (steps % 7 == 0) expect_same(load(file), state);
    if (steps % 5 == 0) fixture->reopen();
    if (!done.more && done.events == 0 && chunks() == 1) break;
  }
  EXPECT_EQ(gone, events);
  EXPECT_EQ(chunks(), 1);
  expect_clean();
  expect_same(load(file), state);
}

/// However many files one client keeps: each find is over soon, and the files of others are found behind them.
TEST_P(MongoPruning, FindingPassesOverAnyNumberOfWhatIsNotMeantInBoundedSteps) {
  constexpr int files = 4'500;
  std::vector<store::Append> batch;
  for (int i = 0; i < files; ++i) {
    const auto* const client = i % 100 == 99 ? "krn:b" : "krn:a";
    const auto at = Timestamp{std::chrono::milliseconds{i / 3'000 + 1}};  // many in the same moment
    batch.push_back(
        support::append_to(support::stream_id(client, fmt::format("{}", i)), nullptr,
                           {{.at = at, .is_last = true, .id = support::file_id(static_cast<unsigned>(i))}}));
  }
  for (const auto outcome : fixture->store().commit(batch)) ASSERT_EQ(outcome, store::AppendOutcome::stored);
  const auto find_all = [&](const store::Clients& clients, std::size_t limit) {
    std::vector<int> out;
    step([&](store::Pruner& pruner) -> Result<store::Pruned> {
      std::optional<store::CompletedPosition> after;
      for (;;) {
        PEBBLES_TRY(page, pruner.completed(clients, pruner.now().value(), after, limit));
        EXPECT_LE(page.size(), limit);
        if (page.empty()) return store::Pruned{};
        for (const auto& one : page) out.push_back(std::stoi(*one.stream.filename));
        after = page.back().position;
      }
    });
    return out;
  };
  std::vector<int> of_b;
  for (int i = 99; i < files; i += 100) of_b.push_back(i);
  const store::Clients but_a{.but = {domain::ClientKrn{"krn:a"}}};
  mongo(*fixture).profile(true);
  for (const std::size_t limit : {7U, 100U}) EXPECT_EQ(find_all(but_a, limit), of_b) << limit;
  const store::Clients but_both{.but = {domain::ClientKrn{"krn:a"}, domain::ClientKrn{"krn:b"}}};
  EXPECT_TRUE(find_all(but_both, 25).empty());
  mongo(*fixture).profile(false);
  constexpr auto* finds = R"({"command.hint": {"completedAt": 1, "_id": 1}, "docsExamined": {"$gt": 0}})";
  EXPECT_GE(mongo(*fixture).count("system.profile", finds), files / 2'000);
  EXPECT_EQ(mongo(*fixture).count("system.profile", R"({"docsExamined": {"$gt": 2000}})"), 0);
  EXPECT_EQ(find_all({.but = {domain::ClientKrn{"krn:none"}}}, 1'000).size(), files);
}

TEST_P(MongoPruning, WhatHasNoIdOfOursIsPassedOver) {
  const auto add = [&](const std::string& id, const char* name) {
    mongo(*fixture).insert("progress", fmt::format(R"({{"_id": {}, "clientKrn": "krn:a", "filename": "{}", "email": )"
                                                   R"("a@b.c", "completedAt": {{"$date": 1000}}}})",
                                                   id, name));
  };
  for (int i = 0; i < 10; ++i) {
    add(fmt::format("{}", i), fmt::format("number {}", i).c_str());
    add(fmt::format(R"({{"$date": {}}})", i), fmt::format("date {}", i).c_str());
  }
  add(R"({"$oid": "0000000000000000000000a1"})", "1");
  add(R"({"$oid": "0000000000000000000000a2"})", "2");
  for (const auto& clients : {store::Clients{}, store::Clients{.only = domain::ClientKrn{"krn:a"}},
                              store::Clients{.but = {domain::ClientKrn{"krn:b"}}}}) {
    std::vector<std::string> names;
    step([&](store::Pruner& pruner) -> Result<store::Pruned> {
      std::optional<store::CompletedPosition> after;
      while (names.size() < 10) {
        PEBBLES_TRY(page, pruner.completed(clients, pruner.now().value(), after, 1));
        if (page.empty()) break;
        names.push_back(*page.front().stream.filename);
        after = page.front().position;
      }
      return store::Pruned{};
    });
    EXPECT_EQ(names, (std::vector<std::string>{"1", "2"}));
  }
}

TEST_P(MongoPruning, ANewLifeHoldsWhatIsLeftOfTheOldOne) {
  auto state = tell(file, nullptr, {{}});
  const auto gone = tell(file, state, {{.deletes = true}});
  bury();
  bury();
  EXPECT_EQ(mongo(*fixture).count("progress"), 0);
  mongo(*fixture).reopen({.age = {}, .grace = {}, .held = std::chrono::hours{1}});
  const auto append = support::append_to(file, gone, {{}});
  EXPECT_EQ(commit(append), store::AppendOutcome::stored);
  mongo(*fixture).remove_chunk(file, append.chunk.first);  // as if the insert had not come yet
  mongo(*fixture).remove_snapshots();
  EXPECT_EQ(bury(gone->progress.updated_at + std::chrono::hours{1}).tombstones, 0);
  EXPECT_EQ(chunks(), 1);
}

/// All in one commit: some on what is left of a life that is over, some where nothing is left, one beside the
/// tombstone.
TEST_P(MongoPruning, LivesThatBeginAtOnceMarkWhatIsLeftOfTheOldOnes) {
  constexpr std::size_t ended = 10, files = 150;
  const auto later = support::t0 + std::chrono::hours{1};
  std::vector<store::Append> births, deaths, lives;
  for (std::size_t i = 0; i <= files; ++i) {
    const auto stream = support::stream_id("krn:acme", fmt::format("{}", i));
    const auto& born = births.emplace_back(support::append_to(stream, nullptr, {{}}));
    const auto& dead = deaths.emplace_back(
        support::append_to(stream, born.after, {{.at = i < ended ? support::t0 : later, .deletes = true}}));
    lives.push_back(support::append_to(stream, dead.after, {{}}));
  }
  const auto stored = [](std::size_t count) { return std::vector(count, store::AppendOutcome::stored); };
  const std::vector last{deaths.back()};
  deaths.pop_back();
  EXPECT_EQ(commit(births), stored(files + 1));
  EXPECT_EQ(commit(deaths), stored(files));
  for (int i = 0; i < 1000 && mongo(*fixture).count("progress") > 1; ++i) bury();
  EXPECT_EQ(mongo(*fixture).count("progress"), 1);
  std::int64_t gone = 0;
  for (int i = 0; i < 1000 && gone < static_cast<std::int64_t>(ended); ++i) gone += bury(later).tombstones;
  EXPECT_EQ(gone, ended);
  EXPECT_EQ(commit(last), stored(1));

  const auto outcomes = fixture->store().commit(lives);
  auto expected = std::vector(ended, store::AppendOutcome::conflict);
  expected.resize(files + 1, store::AppendOutcome::stored);
  EXPECT_EQ(outcomes, expected);
  EXPECT_EQ(mongo(*fixture).count("progress_events", R"({"heldAt": {"$exists": true}})"), files - ended);
  fixture->after_commit();
  expect_clean();
}

TEST_P(MongoPruning, AnOpenCommitHoldsTheLog) {
  auto state = tell(file, nullptr, {{}});
  const auto other = mongo(*fixture).another_lane();
  state = tell_late(*other, load_by(*other));
  EXPECT_EQ(cut().events, 1) << "up to where the snapshot is";
  state = tell_late(*other, state);
  EXPECT_EQ(cut().events, 0) << "a lane has snapshots to write";
  other->maintain(store::Load::idle);
  EXPECT_EQ(cut().events, 20);
  expect_clean();
  expect_same(load(file), state);
}

TEST_P(MongoPruning, ALaneThatIsNeverIdleHoldsNothingForEver) {
  auto state = tell_much(nullptr);
  std::int64_t gone = 0;
  for (int i = 0; i < 3000 && gone < 100; ++i) {
    state = tell_much(state);
    fixture->store().maintain(store::Load::pause);
    gone += cut().events;
  }
  EXPECT_GE(gone, 100);
  expect_same(load(file), state);
  fixture->store().maintain(store::Load::idle);
  expect_clean();
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MongoDeleting);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MongoPruning);
INSTANTIATE_TEST_SUITE_P(Mongo, MongoDeleting, testing::ValuesIn(mongo_implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, MongoPruning, testing::ValuesIn(mongo_implementations()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeletingContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PrunerContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MongoSnapshots);  // there may be no server
INSTANTIATE_TEST_SUITE_P(Mongo, MongoSnapshots, testing::ValuesIn(mongo_implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, EventStoreContract, testing::ValuesIn(mongo_implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, ProgressReaderContract, testing::ValuesIn(mongo_implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, FindingContract, testing::ValuesIn(mongo_implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, DeletingContract, testing::ValuesIn(mongo_implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, PrunerContract, testing::ValuesIn(mongo_implementations()), name_of);

}  // namespace
}  // namespace pebbles::contract
