#include "http/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace pebbles::http {
namespace {

/// A pool whose jobs wait until they are let go, and note who ran.
class WorkerPoolTest : public ::testing::Test {
 protected:
  void TearDown() override {
    gate_.set_value();
    pool_.reset();
  }

  void start(const WorkerPoolOptions& options) { pool_.emplace(options); }
  bool submit(const std::string& asker, const std::string& tenant = {}) {
    return pool_->submit({.requester = asker, .tenant = tenant}, [this, asker] {
      note(began_, asker);
      open_.wait();
      note(ended_, asker);
    });
  }
  void let_go() {
    gate_.set_value();
    gate_ = {};
  }
  std::vector<std::string> wait_began(std::size_t count) { return wait(began_, count); }
  std::vector<std::string> wait_ended(std::size_t count) { return wait(ended_, count); }
  std::size_t began() {
    const std::lock_guard lock{mutex_};
    return began_.size();
  }

 private:
  void note(std::vector<std::string>& list, const std::string& asker) {
    const std::lock_guard lock{mutex_};
    list.push_back(asker);
    changed_.notify_all();
  }
  std::vector<std::string> wait(const std::vector<std::string>& list, std::size_t count) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, std::chrono::seconds{10}, [&] { return list.size() >= count; });
    return list;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> began_, ended_;
  std::promise<void> gate_;
  std::shared_future<void> open_{gate_.get_future()};
  std::optional<WorkerPool> pool_;
};

TEST_F(WorkerPoolTest, TakesAskersInTurns) {
  start({.threads = 1, .queue_max = 100});
  ASSERT_TRUE(submit("first"));
  wait_began(1);
  for (const auto* asker : {"noisy", "noisy", "noisy", "quiet", "other", "other"}) ASSERT_TRUE(submit(asker));
  let_go();
  EXPECT_EQ(wait_ended(7), (std::vector<std::string>{"first", "noisy", "quiet", "other", "noisy", "other", "noisy"}));
}

TEST_F(WorkerPoolTest, OneAskerLeavesThreadsToOthers) {
  start({.threads = 3, .queue_max = 100, .running_of_one_max = 2});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(submit("noisy"));
  EXPECT_EQ(wait_began(2), (std::vector<std::string>{"noisy", "noisy"}));
  ASSERT_TRUE(submit("quiet"));
  EXPECT_EQ(wait_began(3).back(), "quiet");
  EXPECT_EQ(began(), 3U);
  let_go();
  EXPECT_EQ(wait_ended(6).size(), 6U);
}

TEST_F(WorkerPoolTest, AFloodLeavesRoomInTheQueue) {
  start({.threads = 1, .queue_max = 8});
  ASSERT_TRUE(submit("first"));
  wait_began(1);
  int taken_in = 0;
  while (submit("noisy")) ++taken_in;
  EXPECT_EQ(taken_in, 3);
  EXPECT_TRUE(submit("noisy", "of another tenant"));
  EXPECT_TRUE(submit("quiet"));
  EXPECT_FALSE(submit("noisy"));
}

TEST_F(WorkerPoolTest, ARequesterHasItsTurnsUnderWhateverNames) {
  start({.threads = 1, .queue_max = 100});
  ASSERT_TRUE(submit("first"));
  wait_began(1);
  for (const auto* tenant : {"a", "b", "c", "d"}) ASSERT_TRUE(submit("noisy", tenant));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(submit("quiet"));
  let_go();
  EXPECT_EQ(wait_ended(7), (std::vector<std::string>{"first", "noisy", "quiet", "noisy", "quiet", "noisy", "noisy"}));
}

TEST(WorkerPool, OneRequesterFillsHalfOfTheQueueUnderManyNames) {
  std::promise<void> gate;
  const auto open = gate.get_future().share();
  std::atomic<bool> began{false};
  WorkerPool pool{{.threads = 1, .queue_max = 8}};
  ASSERT_TRUE(pool.submit({.requester = "first"}, [&] {
    began = true;
    began.notify_all();
    open.wait();
  }));
  began.wait(false);
  int taken_in = 0;
  for (int i = 0; i < 8; ++i) taken_in += pool.submit({.requester = "r", .tenant = std::to_string(i)}, [] {}) ? 1 : 0;
  EXPECT_EQ(taken_in, 4);
  gate.set_value();
}

TEST_F(WorkerPoolTest, WhatWaitsIsDroppedAtTheStop) {
  start({.threads = 1});
  ASSERT_TRUE(submit("a"));
  wait_began(1);
  ASSERT_TRUE(submit("a"));
  ASSERT_TRUE(submit("b"));
}

TEST(WorkerPoolRests, BehindEachJobWhileThereIsWorkThatCannotWait) {
  using namespace std::chrono_literals;
  static constexpr auto job = 5ms;
  std::atomic<bool> is_busy{true};
  WorkerPool pool{{.threads = 1, .gives_way = [&is_busy] { return is_busy.load(); }, .parts = 40}};
  std::promise<void> first, second, third;
  const auto began = std::chrono::steady_clock::now();
  for (auto* done : {&first, &second, &third})
    ASSERT_TRUE(pool.submit({.requester = "a"}, [done] {
      std::this_thread::sleep_for(job);
      done->set_value();
    }));
  second.get_future().wait();
  EXPECT_GE(std::chrono::steady_clock::now() - began, 40 * job);
  is_busy = false;
  third.get_future().wait();
  is_busy = true;
  std::promise<void> fourth;
  ASSERT_TRUE(pool.submit({.requester = "a"}, [&fourth] {
    std::this_thread::sleep_for(200ms);
    fourth.set_value();
  }));
  fourth.get_future().wait();
  const auto stopped = std::chrono::steady_clock::now();
  pool.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - stopped, BackgroundShare::rest_max) << "a stop ends a rest";
}

TEST(WorkerPoolRests, OthersTakeTheTurnsMeanwhile) {
  using namespace std::chrono_literals;
  WorkerPool pool{{.threads = 2, .running_of_one_max = 1, .gives_way = [] { return true; }}};
  std::promise<void> first, second;
  ASSERT_TRUE(pool.submit({.requester = "a"}, [&first] {
    std::this_thread::sleep_for(200ms);
    first.set_value();
  }));
  ASSERT_TRUE(pool.submit({.requester = "a"}, [&second] { second.set_value(); }));
  first.get_future().wait();
  EXPECT_EQ(second.get_future().wait_for(BackgroundShare::rest_max - 500ms), std::future_status::ready);
}

}  // namespace
}  // namespace pebbles::http
