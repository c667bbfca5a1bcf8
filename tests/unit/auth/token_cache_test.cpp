#include "auth/token_cache.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pebbles::auth {
namespace {

crypto::Sha256Digest digest(int number) { return crypto::sha256(std::to_string(number)); }
Verified verified(int number) {
  return {
      .identity = {.email = domain::Email{std::to_string(number) + "@example.com"}}, .not_before = {}, .expires = {}};
}

TEST(TokenCache, FindsWhatItRemembers) {
  TokenCache cache{4};
  EXPECT_EQ(cache.find(digest(1)), nullptr);
  EXPECT_EQ(*cache.remember(digest(1), verified(1)).identity.email, "1@example.com");
  ASSERT_NE(cache.find(digest(1)), nullptr);
  EXPECT_EQ(*cache.find(digest(1))->identity.email, "1@example.com");
  EXPECT_EQ(cache.find(digest(2)), nullptr);
}

TEST(TokenCache, IsBoundedAndTheOldestGoesFirst) {
  TokenCache cache{3};
  for (int i = 0; i < 100'000; ++i) {
    cache.remember(digest(i), verified(i));
    ASSERT_LE(cache.size(), 3U);
  }
  EXPECT_EQ(cache.find(digest(99'996)), nullptr);
  for (int i = 99'997; i < 100'000; ++i) EXPECT_NE(cache.find(digest(i)), nullptr) << i;
}

TEST(TokenCache, ForgetsAndMayBeToldAgain) {
  TokenCache cache{2};
  cache.remember(digest(1), verified(1));
  cache.forget(digest(1));
  cache.forget(digest(1));
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.find(digest(1)), nullptr);
  cache.remember(digest(1), verified(1));
  cache.remember(digest(2), verified(2));
  cache.remember(digest(3), verified(3));
  EXPECT_EQ(cache.find(digest(1)), nullptr);
  EXPECT_NE(cache.find(digest(2)), nullptr);
}

TEST(TokenCache, HoldsOneAtLeast) {
  TokenCache cache{0};
  cache.remember(digest(1), verified(1));
  cache.remember(digest(2), verified(2));
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_NE(cache.find(digest(2)), nullptr);
}

}  // namespace
}  // namespace pebbles::auth
