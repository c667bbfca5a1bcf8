#include "base/authority.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

TEST(Authority, HasAddressesOfVersion6InBrackets) {
  EXPECT_EQ(authority_of("127.0.0.1", 80), "127.0.0.1:80");
  EXPECT_EQ(authority_of("localhost", 0), "localhost:0");
  EXPECT_EQ(authority_of("::1", 8081), "[::1]:8081");
  EXPECT_EQ(authority_of("fe80::1%eth0", 8081), "[fe80::1%25eth0]:8081");
}

TEST(Authority, OfAnyAddressTheLoopbackIsReached) {
  EXPECT_EQ(reachable_host("0.0.0.0"), "127.0.0.1");
  EXPECT_EQ(reachable_host("::"), "::1");
  EXPECT_EQ(reachable_host("10.0.0.1"), "10.0.0.1");
}

TEST(Authority, BracketsAreTakenOff) {
  EXPECT_EQ(without_brackets("[::1]"), "::1");
  for (const auto* other : {"::1", "[]", "[", "a]", ""}) EXPECT_EQ(without_brackets(other), other);
}

}  // namespace
}  // namespace pebbles
