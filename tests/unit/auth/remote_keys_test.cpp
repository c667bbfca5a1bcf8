#include "auth/remote_keys.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <semaphore>

#include "auth/token_verifier.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::auth {
namespace {

using namespace std::chrono_literals;

const std::string one_key =
    R"({"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
const std::string renamed =
    R"({"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

/// An issuer whose every answer the test gives.
class RemoteKeysTest : public testing::Test {
 protected:
  RemoteKeysTest() { telemetry::start_log("off", telemetry::LogFormat::text); }

  void start(std::chrono::milliseconds refresh = 1h) {
    RemoteKeysOptions options;
    options.url = "test";
    options.refresh = refresh;
    options.retry_min = refresh;
    options.fetch = [this]() -> Result<std::string> {
      ++fetches;
      begun.release();
      allowed.acquire();
      const std::lock_guard lock{mutex};
      if (answer.empty()) return failure(Errc::store_unavailable, "away");
      return answer;
    };
    keys.emplace(ring, std::move(options));
  }
  /// Lets the fetch that has begun end with `text`.
  void give(const std::string& text) {
    begun.acquire();
    {
      const std::lock_guard lock{mutex};
      answer = text;
    }
    allowed.release();
  }
  void TearDown() override { allowed.release(100); }

  KeyRing ring{{}, true};
  std::atomic<int> fetches = 0;
  std::counting_semaphore<> begun{0};
  std::counting_semaphore<> allowed{0};
  std::mutex mutex;
  std::string answer;
  std::optional<RemoteKeys> keys;
};

TEST_F(RemoteKeysTest, PublishesWhatItFetches) {
  const auto fault = [&] { return ring.fault_of_missing({.algorithm = "EdDSA", .key_id = "a"}); };
  EXPECT_EQ(fault(), TokenFault::no_keys_yet);
  EXPECT_EQ(ring.fault_of_missing({.algorithm = "HS256", .key_id = {}}), TokenFault::invalid);
  start();
  begun.acquire();
  std::latch done{1};
  ASSERT_TRUE(keys->ask([&] { done.count_down(); }));  // after the first has begun: for one more
  begun.release();
  give(one_key);
  give(one_key);
  done.wait();
  EXPECT_NE(ring.keys()->find("EdDSA", "a"), nullptr);
  EXPECT_EQ(ring.generation(), 2U);
  EXPECT_EQ(fault(), TokenFault::unknown_key);
  EXPECT_EQ(ring.fault_of_missing({.algorithm = "EdDSA", .key_id = {}}), TokenFault::invalid);
}

TEST_F(RemoteKeysTest, FetchesOnceForAllWhoAsk) {
  start();
  give(one_key);
  std::latch done{100};
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(keys->ask([&] { done.count_down(); }));
  give(renamed);
  done.wait();
  EXPECT_EQ(fetches, 2);
  EXPECT_NE(ring.keys()->find("EdDSA", "b"), nullptr);
  EXPECT_EQ(ring.keys()->find("EdDSA", "a"), nullptr);
  EXPECT_FALSE(keys->ask([] { ADD_FAILURE() << "within the minute"; }));
}

TEST_F(RemoteKeysTest, KeepsWhatItHasWhileTheIssuerIsNotWell) {
  start(1ms);
  give(one_key);
  for (const auto* text : {"", "{", R"({"keys":[]})", R"({"keys":[{"kty":"oct","k":"AAAA"}]})"}) {
    give(text);
    EXPECT_NE(ring.keys()->find("EdDSA", "a"), nullptr) << text;
  }
  EXPECT_EQ(ring.generation(), 2U);
}

TEST_F(RemoteKeysTest, StoppingTellsWhoWaits) {
  start();
  give(one_key);
  std::atomic<bool> told = false;
  ASSERT_TRUE(keys->ask([&] { told = true; }));
  allowed.release();
  keys->stop();
  EXPECT_TRUE(told);
  EXPECT_FALSE(keys->ask([] {}));
}

}  // namespace
}  // namespace pebbles::auth
