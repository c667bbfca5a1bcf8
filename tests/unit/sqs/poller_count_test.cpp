#include "ingress/sqs/poller_count.hpp"

#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

struct Row {
  std::size_t now, received, wanted;
};
class SqsPollerCount : public testing::TestWithParam<Row> {};

TEST_P(SqsPollerCount, FollowsTheLoad) {
  EXPECT_EQ(next_poller_count(GetParam().now, GetParam().received, 8), GetParam().wanted);
}

INSTANTIATE_TEST_SUITE_P(Rows, SqsPollerCount,
                         testing::Values(Row{1, 0, 1}, Row{1, 1, 1}, Row{1, 9, 1}, Row{1, 10, 2}, Row{7, 10, 8},
                                         Row{8, 10, 8}, Row{8, 5, 8}, Row{8, 3, 8}, Row{8, 2, 7}, Row{2, 0, 1}));

}  // namespace
}  // namespace pebbles::sqs
