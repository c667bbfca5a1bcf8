#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "admission/update.hpp"
#include "http/server.hpp"
#include "ingress/rest/report_progress.hpp"
#include "unit/http/client.hpp"

/// The routes of updates on a real server, over a store in memory.
namespace pebbles::rest {

using http::testing::body_of;
using http::testing::Client;
using http::testing::status_of;
using std::chrono_literals::operator""s;

inline constexpr const char* secret = "0123456789abcdef0123456789abcdef";

/// What commits do: they fail for a while, or wait.
struct StoreMood {
  std::atomic<bool> broken{false};
  std::atomic<bool> stuck{false};
  std::atomic<int> commits{0};  ///< that were begun
};

/// Keeps states and keys, as far as these tests need.
class MemoryStore final : public store::EventStore {
 public:
  explicit MemoryStore(StoreMood& mood) : mood_{mood} {}
  Result<std::vector<store::Loaded>> load(std::span<const store::StreamId> streams, store::LoadMode) override {
    std::vector<store::Loaded> out;
    for (const auto& stream : streams) out.push_back({.snapshot = states_[stream], .after = {}});
    return out;
  }
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const store::KeyQuery> queries) override {
    std::vector<std::optional<domain::KeyHit>> out;
    for (const auto& query : queries) {
      const auto found = keys_.find({query.stream, query.hash});
      out.push_back(found == keys_.end() ? std::nullopt : std::optional{found->second});
    }
    return out;
  }
  Result<std::vector<std::optional<store::Token>>> find_tokens(std::span<const store::ChunkQuery> queries) override {
    return std::vector<std::optional<store::Token>>(queries.size());
  }
  std::vector<store::AppendOutcome> commit(std::span<const store::Append> batch) override {
    ++mood_.commits;
    mood_.stuck.wait(true);
    if (mood_.broken) return std::vector(batch.size(), store::AppendOutcome::not_stored);
    for (const auto& append : batch) {
      states_[append.after->stream] = append.after;
      for (const auto& event : append.chunk.events)
        if (event.key) keys_[{append.after->stream, event.key->hash}] = {event.version, event.key->fingerprint};
    }
    return std::vector(batch.size(), store::AppendOutcome::stored);
  }
  bool maintain(store::Load) override { return false; }

 private:
  StoreMood& mood_;
  std::map<store::StreamId, store::SnapshotPtr> states_;
  std::map<std::pair<store::StreamId, store::ShortDigest>, domain::KeyHit> keys_;
};

class RestTest : public ::testing::Test {
 protected:
  explicit RestTest(ingest::IngestOptions options = {}) {
    std::vector<std::unique_ptr<store::EventStore>> stores;
    stores.push_back(std::make_unique<MemoryStore>(mood));
    ingest.emplace(std::move(stores), options);
    auto started = http::Server::start({}, [this](http::Loop& loop) {
      add_routes(loop, {.ingest = *ingest, .client_rule = rule, .clock = clock, .pool = pool, .bodies = bodies},
                 std::make_shared<access::Guard>(keys, access::GuardOptions{}, clock));
    });
    server = *std::move(started);
  }
  ~RestTest() override {
    server->stop(1s);
    ingest->stop(1s);
    pool.stop();
  }

  std::string token(std::string_view email) const {
    return "Authorization: Bearer " +
           auth::mint_token({.hmac_secret = secret, .email = domain::Email{std::string{email}}, .client = {}},
                            clock.now()) +
           "\r\n";
  }
  static std::string update(std::string_view more = "") {
    return R"({"filename":"f.csv","counts":{"done":1,"warn":0,"failed":0})" + std::string{more} + "}";
  }
  std::string post(const std::string& headers, const std::string& body, const std::string& client = "krn:acme%3Aa",
                   std::string_view more_path = "") const {
    Client to{server->port()};
    to.send("POST /clients/" + client + "/progress" + std::string{more_path} +
            " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers +
            "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return to.read_to_end();
  }
  std::string post_as(std::string_view email, const std::string& body, const std::string& headers = "") const {
    return post(token(email) + "Content-Type: application/json\r\n" + headers, body);
  }

  StoreMood mood;
  SystemClock clock;
  auth::KeyRing keys{{.keys = {auth::make_hmac_key(secret)}, .algorithms = {}}};
  admission::ClientKrnRule rule = *admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  http::WorkerPool pool{{.threads = 1}};
  http::FairBudget bodies{32U << 20U};
  std::unique_ptr<http::Server> server;  // outlives what resumes its handlers
  std::optional<ingest::Ingest> ingest;
};

}  // namespace pebbles::rest
