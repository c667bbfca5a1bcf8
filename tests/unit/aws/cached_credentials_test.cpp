#include "aws/cached_credentials.hpp"

#include <gtest/gtest.h>

#include <semaphore>
#include <thread>

#include "support/fake_clock.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::aws {
namespace {

using namespace std::chrono_literals;
using support::FakeClock;

Credentials key(std::string id, std::optional<Timestamp> expires = std::nullopt) {
  return {.access_key_id = std::move(id), .secret_access_key = "secret", .session_token = "token", .expires = expires};
}

/// Gives what the test says, and counts. No pauses unless the test wants some.
class CachedCredentialsTest : public testing::Test {
 protected:
  CachedCredentialsTest() { telemetry::start_log("off", telemetry::LogFormat::text); }

  void give(Credentials credentials) { answer_ = FoundCredentials{std::move(credentials), "test"}; }
  void give(Errc code, std::string why) { answer_ = failure(code, std::move(why)); }
  CachedCredentials& make(std::chrono::milliseconds refused_pause = 0ms, std::chrono::milliseconds retry = 0ms) {
    const RefreshOptions options{
        .before_expiry = 5min, .retry_min = retry, .retry_max = retry, .refused_pause = refused_pause, .seed = 1};
    auto fetch = [this](const std::stop_token&) {
      ++fetches_;
      return answer_;
    };
    return cached_.emplace(fetch, options, clock_);
  }
  std::string id() {
    const auto got = cached_->get({});
    return got ? got->access_key_id : "error: " + got.error().detail;
  }

  FakeClock clock_;
  Result<FoundCredentials> answer_ = failure(Errc::forbidden, "none");
  int fetches_ = 0;
  std::optional<CachedCredentials> cached_;
};

TEST_F(CachedCredentialsTest, AreFetchedOnceWhenTheyLast) {
  make();
  EXPECT_EQ(fetches_, 0);
  give(key("A"));
  EXPECT_EQ(id(), "A");
  clock_.advance(1000h);
  EXPECT_EQ(id(), "A");
  EXPECT_EQ(fetches_, 1);
}

TEST_F(CachedCredentialsTest, AreFetchedAgainBeforeTheyExpire) {
  make();
  give(key("A", clock_.now() + 1h));
  EXPECT_EQ(id(), "A");
  give(key("B", clock_.now() + 2h));
  clock_.advance(54min + 59s);
  EXPECT_EQ(id(), "A");
  clock_.advance(1s);
  EXPECT_EQ(id(), "B");
  EXPECT_EQ(id(), "B");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CachedCredentialsTest, ThatLiveShortAreFetchedAgainAfterHalfOfTheirLife) {
  make();
  give(key("A", clock_.now() + 60s));
  EXPECT_EQ(id(), "A");
  clock_.advance(29s);
  EXPECT_EQ(id(), "A");
  EXPECT_EQ(fetches_, 1);
  give(key("B", clock_.now() + 60s));
  clock_.advance(1s);
  EXPECT_EQ(id(), "B");
}

TEST_F(CachedCredentialsTest, OldOnesServeWhileARefreshFailsAndTheyAreValid) {
  make();
  give(key("A", clock_.now() + 1h));
  EXPECT_EQ(id(), "A");
  give(Errc::store_unavailable, "away");
  clock_.advance(59min);
  EXPECT_EQ(id(), "A");
  EXPECT_EQ(id(), "A");
  EXPECT_EQ(fetches_, 3);
  clock_.advance(1min);
  EXPECT_EQ(id(), "error: away");
  EXPECT_EQ(cached_->get({}).error().code, Errc::store_unavailable);
  give(key("B"));
  EXPECT_EQ(id(), "B");
}

TEST_F(CachedCredentialsTest, ThatAreGivenExpiredAreNone) {
  make();
  give(key("A", clock_.now()));
  EXPECT_EQ(id(), "error: test: it gave credentials that have expired");
}

TEST_F(CachedCredentialsTest, AfterAFailureNobodyIsAskedForAWhile) {
  make(0ms, 1h);
  EXPECT_EQ(id(), "error: none");
  give(key("A"));
  EXPECT_EQ(id(), "error: none");
  EXPECT_EQ(fetches_, 1);
}

TEST_F(CachedCredentialsTest, RefusedOnesAreFetchedAgain) {
  make();
  give(key("A"));
  EXPECT_EQ(id(), "A");
  give(key("B"));
  cached_->refused(key("other"));
  EXPECT_EQ(id(), "A") << "others were refused";
  cached_->refused(key("A"));
  EXPECT_EQ(id(), "B");
  EXPECT_EQ(id(), "B");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CachedCredentialsTest, RefusalsAskAtMostOnceInAPause) {
  make(1h);
  give(key("A"));
  EXPECT_EQ(id(), "A");
  for (int i = 0; i < 10; ++i) {
    cached_->refused(key("A"));
    EXPECT_EQ(id(), "A");
  }
  EXPECT_EQ(fetches_, 1);
}

/// Fetches end when the test says.
struct Held {
  std::counting_semaphore<> begun{0};
  std::counting_semaphore<> allowed{0};
  std::atomic<int> fetches = 0;

  CachedCredentials::Fetch fetch(Credentials credentials) {
    return [this, credentials](const std::stop_token& stop) -> Result<FoundCredentials> {
      ++fetches;
      begun.release();
      while (!allowed.try_acquire_for(10ms))
        if (stop.stop_requested()) return failure(Errc::store_unavailable, "stopped");
      return FoundCredentials{credentials, "test"};
    };
  }
};

TEST(CachedCredentialsThreads, OneFetchesAndTheOthersWaitForIt) {
  telemetry::start_log("off", telemetry::LogFormat::text);
  const FakeClock clock;
  Held held;
  CachedCredentials cached{held.fetch(key("A")), {}, clock};
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { good += cached.get({}).has_value() ? 1 : 0; });
    held.begun.acquire();
    held.allowed.release();
  }
  EXPECT_EQ(good, 4);
  EXPECT_EQ(held.fetches, 1);
}

TEST(CachedCredentialsThreads, WhileOneRefreshesTheOthersHaveTheOldOnes) {
  telemetry::start_log("off", telemetry::LogFormat::text);
  const FakeClock clock;
  Held held;
  CachedCredentials cached{held.fetch(key("A")), {.refused_pause = 0ms}, clock};
  held.allowed.release();
  ASSERT_TRUE(cached.get({}));
  held.begun.acquire();
  std::this_thread::sleep_for(RefreshOptions{}.retry_min);  // no fetch sooner than that
  cached.refused(key("A"));
  std::jthread refreshing{[&] { (void)cached.get({}); }};
  held.begun.acquire();
  EXPECT_TRUE(cached.get({})) << "it must not wait for the refresh";
  held.allowed.release();
}

TEST(CachedCredentialsThreads, AStopEndsTheWaitOfEachAndIsNoFailureOfTheNext) {
  telemetry::start_log("off", telemetry::LogFormat::text);
  const FakeClock clock;
  Held held;
  CachedCredentials cached{held.fetch(key("A")), {.retry_min = 1h, .retry_max = 1h}, clock};
  std::stop_source stop;
  {
    std::jthread fetching{[&] { EXPECT_FALSE(cached.get(stop.get_token())); }};
    held.begun.acquire();
    std::jthread waiting{[&] { EXPECT_FALSE(cached.get(stop.get_token())); }};
    stop.request_stop();
  }
  held.allowed.release();
  EXPECT_TRUE(cached.get({})) << "the pause after a failure is not for who was stopped";
}

}  // namespace
}  // namespace pebbles::aws
