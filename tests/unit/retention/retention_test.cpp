#include "retention/retention.hpp"

#include <gtest/gtest.h>

#include <future>

namespace pebbles::retention {
namespace {

using std::chrono::hours;

/// Old events in so many steps, each of which says that it was at work for a given time.
class Steps final : public store::Pruner {
 public:
  Steps(int steps, std::chrono::steady_clock::duration worked) : left_{steps}, worked_{worked} {}

  Result<Timestamp> now() override { return Timestamp{}; }
  Result<std::vector<store::CompletedFile>> completed(const store::Clients&, Timestamp,
                                                      const std::optional<store::CompletedPosition>&,
                                                      std::size_t) override {
    return std::vector<store::CompletedFile>{};
  }
  Result<store::Pruned> cut_logs(const store::Clients&, Timestamp, bool) override {
    if (left_-- == first_) began_.set_value();
    return store::Pruned{.logs = 1, .events = 2, .more = left_ > 0, .worked = worked_};
  }
  Result<store::Pruned> erase_deleted() override { return store::Pruned{}; }
  Result<store::Pruned> bury(Timestamp, bool) override { return store::Pruned{.tombstones = 3}; }

  /// Waits for the first step.
  void await_begin() { began_.get_future().wait(); }

 private:
  int left_;
  const int first_ = left_;
  const std::chrono::steady_clock::duration worked_;
  std::promise<void> began_;
};

const Rules rules{.files = {}, .events = {.all = std::chrono::days{1}}};

class RetentionTest : public testing::Test {
 protected:
  ingest::Ingest ingest{{}, {}};
};

TEST_F(RetentionTest, AllStepsAreDoneAndCounted) {
  for (const auto mode : {Mode::dry_run, Mode::at_once}) {
    Steps steps{5, hours{1}};
    const auto report = Retention{steps, ingest, rules}.run(mode);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->logs, 5);
    EXPECT_EQ(report->events, 10);
    EXPECT_EQ(report->tombstones, 3);
  }
}

TEST_F(RetentionTest, InBetweenStepsThatWereNotAtWorkNeedNoRest) {
  for (const bool busy : {false, true}) {
    Steps steps{5, {}};
    const auto report = Retention{steps, ingest, rules, [busy] { return busy; }}.run(Mode::in_between);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->events, 10);
  }
}

TEST_F(RetentionTest, ARestEndsWhenItIsStopped) {
  for (const bool busy : {false, true}) {
    Steps steps{5, hours{1}};
    Retention retention{steps, ingest, rules, [busy] { return busy; }};
    auto running = std::async(std::launch::async, [&] { return retention.run(Mode::in_between); });
    steps.await_begin();
    const auto stopped = std::chrono::steady_clock::now();
    retention.stop();
    const auto report = running.get();
    EXPECT_LT(std::chrono::steady_clock::now() - stopped, BackgroundShare::rest_max);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->events, 2);
  }
}

}  // namespace
}  // namespace pebbles::retention
