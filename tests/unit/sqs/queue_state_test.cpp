#include "ingress/sqs/queue_state.hpp"

#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

aws::Fault fault(aws::FaultKind kind, std::string code = {}) {
  return {.kind = kind, .status = 0, .code = std::move(code), .message = "why"};
}

TEST(SqsQueueState, DeniedAndRefusedAreTroubleUntilTheCallWorks) {
  for (const auto kind : {aws::FaultKind::denied, aws::FaultKind::refused}) {
    QueueState state;
    state.failed(Call::receive, fault(kind, "QueueDoesNotExist"));
    ASSERT_TRUE(state.trouble());
    EXPECT_NE(state.trouble()->find("QueueDoesNotExist"), std::string::npos);
    state.answered(Call::facts);  // another call
    EXPECT_TRUE(state.trouble());
    state.answered(Call::receive);
    EXPECT_FALSE(state.trouble());
    EXPECT_EQ(state.describe(), "receiving");
  }
}

TEST(SqsQueueState, AServiceThatIsAwayIsNoTroubleAtFirst) {
  QueueState state;
  EXPECT_EQ(state.describe(), "connecting");
  state.failed(Call::receive, fault(aws::FaultKind::away));
  state.failed(Call::receive, fault(aws::FaultKind::throttled));
  EXPECT_FALSE(state.trouble());
  EXPECT_NE(state.describe().find("ReceiveMessage"), std::string::npos);
}

TEST(SqsQueueState, WhatWasCutOffDidNotFail) {
  QueueState state;
  state.failed(Call::receive, fault(aws::FaultKind::cancelled));
  EXPECT_EQ(state.describe(), "connecting");
}

}  // namespace
}  // namespace pebbles::sqs
