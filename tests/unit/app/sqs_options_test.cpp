#include "app/sqs_options.hpp"

#include <gtest/gtest.h>

namespace pebbles::app {
namespace {

TEST(SqsEndpoint, IsTheRegionsForHostsOfAws) {
  EXPECT_EQ(*sqs_endpoint_of("https://sqs.eu-west-1.amazonaws.com/1/q", "eu-west-1"),
            "https://sqs.eu-west-1.amazonaws.com");
  EXPECT_EQ(*sqs_endpoint_of("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
            "https://sqs.cn-north-1.amazonaws.com.cn");
}

TEST(SqsEndpoint, IsTheUrlsOwnForOthers) {
  EXPECT_EQ(*sqs_endpoint_of("http://127.0.0.1:9324/000000000000/q", "us-east-1"), "http://127.0.0.1:9324");
  EXPECT_EQ(*sqs_endpoint_of("http://queue.example", "us-east-1"), "http://queue.example");
  EXPECT_EQ(*sqs_endpoint_of("https://vpce-1.sqs.us-east-1.vpce.amazonaws.com/1/q", "us-east-1"),
            "https://vpce-1.sqs.us-east-1.vpce.amazonaws.com");
}

TEST(SqsEndpoint, AnotherRegionsQueueIsNamed) {
  const auto endpoint = sqs_endpoint_of("https://sqs.eu-west-1.amazonaws.com/1/q", "us-east-1");
  ASSERT_FALSE(endpoint);
  EXPECT_NE(endpoint.error().detail.find("eu-west-1"), std::string::npos);
  EXPECT_NE(endpoint.error().detail.find("AWS_REGION"), std::string::npos);
}

}  // namespace
}  // namespace pebbles::app
