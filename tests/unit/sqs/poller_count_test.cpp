#include "ingress/sqs/poller_count.hpp"

#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

struct CountRow {
  std::size_t now, received, wanted;
};
class SqsPollerCount : public testing::TestWithParam<CountRow> {};

TEST_P(SqsPollerCount, FollowsTheLoad) {
  EXPECT_EQ(next_poller_count(GetParam().now, GetParam().received, 8), GetParam().wanted);
}

INSTANTIATE_TEST_SUITE_P(Rows, SqsPollerCount,
                         testing::Values(CountRow{1, 0, 1}, CountRow{1, 1, 1}, CountRow{1, 9, 1}, CountRow{1, 10, 2},
                                         CountRow{7, 10, 8}, CountRow{8, 10, 8}, CountRow{8, 5, 8}, CountRow{8, 3, 8},
                                         CountRow{8, 2, 7}, CountRow{2, 0, 1}));

}  // namespace
}  // namespace pebbles::sqs
