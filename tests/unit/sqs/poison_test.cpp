#include "ingress/sqs/poison.hpp"

#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(SqsPoison, TheQueuesOwnPolicyGoesFirst) {
  EXPECT_EQ(way_of_poison(true, true), PoisonWay::redrive);
  EXPECT_EQ(way_of_poison(true, false), PoisonWay::redrive);
  EXPECT_EQ(way_of_poison(false, true), PoisonWay::dead_letter_queue);
  EXPECT_EQ(way_of_poison(false, false), PoisonWay::keep);
}

struct Row {
  PoisonWay way;
  bool is_fifo;
  int receive_count;
  seconds pause;
};
class SqsPoisonPause : public testing::TestWithParam<Row> {};

TEST_P(SqsPoisonPause, GrowsWithEachDelivery) {
  EXPECT_EQ(pause_of_poison(GetParam().way, GetParam().is_fifo, GetParam().receive_count), GetParam().pause);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, SqsPoisonPause,
    testing::Values(Row{PoisonWay::redrive, false, 0, seconds{1}}, Row{PoisonWay::redrive, false, 1, seconds{1}},
                    Row{PoisonWay::redrive, false, 4, seconds{8}}, Row{PoisonWay::redrive, false, 1000, seconds{30}},
                    Row{PoisonWay::redrive, true, 5, seconds{0}}, Row{PoisonWay::keep, false, 1, seconds{30}},
                    Row{PoisonWay::keep, false, 3, seconds{120}}, Row{PoisonWay::keep, false, 12, hours{11}},
                    Row{PoisonWay::keep, false, 1'000'000, hours{11}}, Row{PoisonWay::keep, true, 1, seconds{30}},
                    Row{PoisonWay::keep, true, 9, seconds{60}}));

}  // namespace
}  // namespace pebbles::sqs
