#include <fmt/format.h>

#include <cstdlib>
#include <future>

#include "contract/deleting_contract.hpp"
#include "contract/event_store_contract.hpp"
#include "contract/progress_reader_contract.hpp"
#include "contract/pruner_contract.hpp"
#include "crypto/sha256.hpp"
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

 private:
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

std::vector<Implementation> implementations() {
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

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MongoSnapshots);  // there may be no server
INSTANTIATE_TEST_SUITE_P(Mongo, MongoSnapshots, testing::ValuesIn(implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, EventStoreContract, testing::ValuesIn(implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, ProgressReaderContract, testing::ValuesIn(implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, DeletingContract, testing::ValuesIn(implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, PrunerContract, testing::ValuesIn(implementations()), name_of);

}  // namespace
}  // namespace pebbles::contract
