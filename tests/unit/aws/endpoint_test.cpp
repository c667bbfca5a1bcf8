#include "aws/endpoint.hpp"

#include <gtest/gtest.h>

#include "aws/container_endpoint.hpp"

namespace pebbles::aws {
namespace {

TEST(Endpoint, HasTheSuffixOfTheRegionsPartition) {
  EXPECT_EQ(default_endpoint("sqs", "eu-west-1"), "https://sqs.eu-west-1.amazonaws.com");
  EXPECT_EQ(default_endpoint("sqs", "us-gov-east-1"), "https://sqs.us-gov-east-1.amazonaws.com");
  EXPECT_EQ(default_endpoint("sts", "cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
}

TEST(Endpoint, ARegionIsALabelOfAHostName) {
  for (const auto* good : {"us-east-1", "elasticmq", "x", "A1"}) EXPECT_TRUE(is_valid_region(good)) << good;
  for (const auto* bad : {"", "-", "a-", "eu.west", "eu:west", "eu west", "eu/..", "\xc3\xa9"})
    EXPECT_FALSE(is_valid_region(bad)) << bad;
  EXPECT_TRUE(is_valid_region(std::string(63, 'a')));
  EXPECT_FALSE(is_valid_region(std::string(64, 'a')));
}

Result<std::optional<std::string>> endpoint_with(std::map<std::string, std::string> variables) {
  return container_endpoint([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional{found->second};
  });
}

TEST(ContainerEndpoint, IsEcsOrWhatTheFullUriSays) {
  const std::string relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  const std::string full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  EXPECT_EQ(endpoint_with({}).value(), std::nullopt);
  EXPECT_EQ(endpoint_with({{relative, "/v2/credentials?id=1"}}).value(), "http://169.254.170.2/v2/credentials?id=1");
  EXPECT_EQ(endpoint_with({{relative, "/a"}, {full, "http://localhost/b"}}).value(), "http://169.254.170.2/a");
  EXPECT_FALSE(endpoint_with({{relative, ".example.com/a"}}));
}

TEST(ContainerEndpoint, PlainHttpStaysOnTheHost) {
  const std::string full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  for (const auto* good :
       {"https://example.com/a", "http://localhost:1/a", "http://127.0.0.1/", "http://127.9.9.9:80/", "http://[::1]/",
        "http://169.254.170.2/", "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"})
    EXPECT_EQ(endpoint_with({{full, good}}).value(), good);
  for (const auto* bad : {"http://example.com/", "http://169.254.169.254/", "http://127.0.0.1.example.com/",
                          "http://localhost.example.com/", "http://localhost@example.com/", "http://[fd00:ec2::24]/",
                          "ftp://localhost/", "file:///etc/passwd", "no url at all", "http://0.0.0.0/"})
    EXPECT_FALSE(endpoint_with({{full, bad}})) << bad;
}

}  // namespace
}  // namespace pebbles::aws
