#include "http/router.hpp"

#include <gtest/gtest.h>

#include "http/exchange.hpp"
#include "http/target.hpp"

namespace pebbles::http {
namespace {

Router a_router() {
  Router out;
  const Handler nothing = [](Exchange&) -> Task<Response> { co_return Response{}; };
  out.add("GET", "/clients/{clientKrn}/progress", nothing);
  out.add("POST", "/clients/{clientKrn}/progress", nothing);
  out.add("GET", "/clients/{clientKrn}/progress/{id}", nothing);
  return out;
}

TEST(Router, CapturesDecodedSegments) {
  const auto target = parse_target("/clients/krn%3Aa%2Fb/progress/7?x=1");
  ASSERT_TRUE(target);
  const auto router = a_router();
  const auto match = router.find("GET", target->path);
  ASSERT_NE(match.handler, nullptr);
  EXPECT_EQ(match.captures, (std::vector<std::string_view>{"krn:a/b", "7"}));
}

TEST(Router, TellsUnknownPathsFromOtherMethods) {
  const auto router = a_router();
  const auto allow = [&](std::string_view method, std::string_view path) {
    const auto target = parse_target(path);
    const auto match = router.find(method, target->path);
    return match.handler != nullptr ? "served" : match.allow;
  };
  EXPECT_EQ(allow("DELETE", "/clients/a/progress"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(allow("HEAD", "/clients/a/progress"), "served");
  EXPECT_EQ(allow("POST", "/clients/a/progress/1"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allow("GET", "/clients/a/progress/"), "served");  // an empty id, to be judged as one
  EXPECT_EQ(allow("GET", "/clients/a"), "");
  EXPECT_EQ(allow("GET", "/"), "");
}

TEST(Target, DecodesQueries) {
  const auto target = parse_target("/a?filename=b+c%2Bd&filename[$ne]=x&empty=&flag&&u=%C3%A4");
  ASSERT_TRUE(target);
  EXPECT_EQ(*target->parameter("filename"), "b c+d");
  EXPECT_EQ(*target->parameter("empty"), "");
  EXPECT_EQ(*target->parameter("flag"), "");
  EXPECT_EQ(*target->parameter("u"), "ä");
  EXPECT_EQ(target->parameter("none"), nullptr);
  EXPECT_EQ(target->query.size(), 5U);
}

TEST(Response, ValuesCannotAddHeaders) {
  Response response;
  EXPECT_FALSE(add_header(response, "X", "a\r\nSet-Cookie: b"));
  EXPECT_FALSE(add_header(response, "X", "a\n"));
  EXPECT_TRUE(response.headers.empty());
  EXPECT_TRUE(add_header(response, "X", "a"));
  EXPECT_EQ(response.headers, "X: a\r\n");
}

TEST(Response, AProblemListsItsFaults) {
  const ProblemFault faults[] = {{.detail = "no \"x\"", .pointer = "/a/0"}};
  EXPECT_EQ(problem(400, "bad", faults).body, R"({"title":"Bad Request","status":400,"detail":"bad","error":"bad",)"
                                              R"("errors":[{"detail":"no \"x\"","pointer":"/a/0"}]})");
}

}  // namespace
}  // namespace pebbles::http
