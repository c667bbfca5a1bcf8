#include "base/trace_context.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

const std::string trace = "0af7651916cd43dd8448eb211c80319c";
const std::string parent = "b7ad6b7169203331";

TEST(TraceContext, ReadsWhatTheSpecificationAllows) {
  for (const auto& [text, flags] : std::vector<std::pair<std::string, int>>{
           {"00-" + trace + "-" + parent + "-01", 1},
           {"00-" + trace + "-" + parent + "-00", 0},
           {"00-" + trace + "-" + parent + "-ff", 255},
           {" \t00-" + trace + "-" + parent + "-03 ", 3},
           {"01-" + trace + "-" + parent + "-02", 2},
           {"cc-" + trace + "-" + parent + "-01-what-comes-later", 1},
           {"cc-" + trace + "-" + parent + "-01-", 1},
       }) {
    const auto read = parse_traceparent(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, (TraceContext{.trace_id = trace, .parent_id = parent, .flags = static_cast<std::uint8_t>(flags)}));
  }
}

TEST(TraceContext, ReadsNothingElse) {
  const std::string zeros(32, '0');
  for (const auto& text : std::vector<std::string>{
           "",
           "00",
           "ff-" + trace + "-" + parent + "-01",
           "00-" + zeros + "-" + parent + "-01",
           "00-" + trace + "-" + zeros.substr(16) + "-01",
           "00-" + trace + "-" + parent + "-1",
           "00-" + trace + "-" + parent + "-01-more",
           "00-" + trace + "-" + parent + "-01.",
           "01-" + trace + "-" + parent + "-01more",
           "0-" + trace + "-" + parent + "-001",
           "00-" + trace + "-" + parent + "-0g",
           "00-" + trace + "-" + parent + "-0A",
           "00-0AF7651916CD43DD8448EB211C80319C-" + parent + "-01",
           "00-" + trace.substr(1) + "g-" + parent + "-01",
           "00_" + trace + "-" + parent + "-01",
           "00-" + trace + "_" + parent + "-01",
           "00-" + trace + "-" + parent + "_01",
           "0\0-" + trace + "-" + parent + "-01",
           "00-" + trace + "-" + parent + "-01,00-" + trace + "-" + parent + "-01",
       })
    EXPECT_FALSE(parse_traceparent(text)) << text;
}

TEST(TraceContext, WritesWhatItReads) {
  const auto text = "00-" + trace + "-" + parent + "-03";
  EXPECT_EQ(to_traceparent(*parse_traceparent(text)), text);
  EXPECT_EQ(to_traceparent(*parse_traceparent("cc-" + trace + "-" + parent + "-fd-x")),
            "00-" + trace + "-" + parent + "-01");
}

TEST(TraceContext, AStepKeepsItsTraceAndATraceIsNew) {
  const auto before = *parse_traceparent("00-" + trace + "-" + parent + "-01");
  const auto after = next_step(before);
  EXPECT_EQ(after.trace_id, before.trace_id);
  EXPECT_EQ(after.flags, before.flags);
  EXPECT_NE(after.parent_id, before.parent_id);
  EXPECT_TRUE(parse_traceparent(to_traceparent(after)));
  const auto one = new_trace();
  const auto other = new_trace();
  EXPECT_NE(one.trace_id, other.trace_id);
  EXPECT_EQ(parse_traceparent(to_traceparent(one)), one);
}

}  // namespace
}  // namespace pebbles
