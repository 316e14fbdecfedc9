// A plugin in C without an SDK: it logs the verdict of a verification, and rejects an event of an unknown name, so that an
// operator finds it among the dead letters. It does not reject an event because its verification failed: that would make
// every later event of the verification wait.
//
// Build: clang --target=wasm32-wasi -O2 -s -o reject.wasm reject.c
#include <stdio.h>
#include <string.h>

static char doc[8 << 20];

// field returns the text after NAME in the event's own fields, which come before its headers and body.
static const char *field(const char *name) {
	const char *event = strstr(doc, "\"event\":{");
	const char *at = event ? strstr(event, name) : NULL;
	return at ? at + strlen(name) : NULL;
}

int main(void) {
	size_t n = fread(doc, 1, sizeof doc - 1, stdin);
	doc[n] = 0;
	const char *event = field("\"event\":\""), *verdict = field("\"verdict\":\"");
	if (!event || !verdict) return 1; // not a document of contract v1: a failure, retried by policy
	if (strncmp(event, "unknown\"", 8) == 0) {
		fputs("nobody wrote a program for this event\n", stderr);
		return 65;
	}
	fprintf(stderr, "verdict: %.*s\n", (int)strcspn(verdict, "\""), verdict);
	return 0;
}
