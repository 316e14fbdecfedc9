// A plugin in Zig without an SDK: it reads the document with the JSON parser of Zig's standard library, and skips events
// without a verdict.
//
// Build: zig build-exe skip.zig -target wasm32-wasi -O ReleaseSmall -fstrip
const std = @import("std");

/// The fields that this plugin reads; the parser ignores the rest.
const Document = struct {
    event: struct {
        key: []const u8,
        verdict: []const u8,
        customer_reference: ?[]const u8 = null,
    },
};

pub fn main() !void {
    var arena = std.heap.ArenaAllocator.init(std.heap.wasm_allocator); // never freed: the instance ends with its event
    const doc = try std.io.getStdIn().readToEndAlloc(arena.allocator(), 32 << 20);
    const parsed = try std.json.parseFromSliceLeaky(Document, arena.allocator(), doc, .{ .ignore_unknown_fields = true });
    const event = parsed.event;
    if (std.mem.eql(u8, event.verdict, "pending") or std.mem.eql(u8, event.verdict, "unknown")) {
        try std.json.stringify(.{ .outcome = "skip", .reason = "no verdict yet" }, .{}, std.io.getStdOut().writer());
        return;
    }
    std.debug.print("{s} of {s}: {s}\n", .{ event.key, event.customer_reference orelse "nobody", event.verdict });
}
