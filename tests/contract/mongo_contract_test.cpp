#include <fmt/format.h>

#include <cstdlib>
#include <future>

#include "contract/event_store_contract.hpp"
#include "contract/progress_reader_contract.hpp"
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

INSTANTIATE_TEST_SUITE_P(Mongo, EventStoreContract, testing::ValuesIn(implementations()), name_of);
INSTANTIATE_TEST_SUITE_P(Mongo, ProgressReaderContract, testing::ValuesIn(implementations()), name_of);

}  // namespace
}  // namespace pebbles::contract
