// The demo plugin: a plain WASI command in C, without an SDK. It reads the document on standard input, writes one line
// about the event to its log (standard error), and answers on standard output. It counts the events of each verification in its
// state. When a workflow has passed, it asks for one request to the address in its config. It asks for a retry of the first attempt
// of an employment event, so that a newcomer sees a retry.
//
// Build: clang --target=wasm32-wasi -Oz -s -Wl,--strip-all -o ../demo.wasm demo.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char doc[1 << 20]; // its manifest grants no body, so every document fits

// Copies the string that follows `name` (as in "\"key\":") after `from` into out; "-" when it is null, missing or has escapes.
static const char *text(const char *from, const char *name, char *out, size_t size) {
	const char *p = strstr(from, name);
	size_t n = 0;
	if (p && *(p += strlen(name)) == '"') {
		for (p++; *p && *p != '"' && n + 1 < size; p++) {
			if (*p == '\\') {
				n = 0;
				break;
			}
			out[n++] = *p;
		}
	}
	if (n == 0) out[n++] = '-';
	out[n] = 0;
	return out;
}

// Returns the last place of `name` in `from`; NULL without one. Config and state follow the event, whose body may have any text.
static char *last(char *from, const char *name) {
	char *found = NULL;
	for (char *p = from; (p = strstr(p, name)); p++) found = p;
	return found;
}

int main(void) {
	size_t n = fread(doc, 1, sizeof doc - 1, stdin);
	doc[n] = 0;
	// The delivery comes first, then the event: its own fields before its headers and body. So the first match is the
	// right one in each part.
	char *event = strstr(doc, ",\"event\":{");
	if (!event || n < 2 || doc[n - 1] != '}') {
		fputs("this is not a document of inbox, or it has more than a megabyte\n", stderr);
		return 1;
	}
	*event++ = 0; // doc is the delivery now
	event += strlen("\"event\":{");
	char name[64], type[64], key[128], verdict[16], url[256] = "-";
	text(event, "\"event\":", name, sizeof name);
	text(event, "\"event_type\":", type, sizeof type);
	text(event, "\"key\":", key, sizeof key);
	text(event, "\"verdict\":", verdict, sizeof verdict);
	if (strcmp(name, "employment") == 0 && strstr(doc, "\"attempt\":1,") && strstr(doc, "\"replay\":false")) {
		printf("{\"outcome\":\"retry\",\"reason\":\"the employer's register does not answer (as the demo has it)\"}");
		return 0;
	}
	fprintf(stderr, "%s %s of %s: %s\n", name, type, key, verdict);

	// The state is the last member: null at the first event of a verification, then what this plugin answered before.
	const char *count = last(event, "\"state\":{\"events\":");
	int events = 1;
	if (count && strcmp(event + strlen(event) - strlen("null}"), "null}") != 0) events += atoi(count + strlen("\"state\":{\"events\":"));
	printf("{\"outcome\":\"ok\",\"state\":{\"events\":%d,\"last\":\"%s\"}", events, type);

	const char *config = last(event, ",\"config\":{\"receiver\":");
	if (config) text(config, "\"receiver\":", url, sizeof url);
	if (strcmp(name, "workflow") == 0 && strcmp(type, "verification_completed") == 0 && strcmp(verdict, "passed") == 0 && strcmp(url, "-") != 0) {
		printf(",\"http\":[{\"method\":\"POST\",\"url\":\"%s\",\"body\":{\"key\":\"%s\",\"verdict\":\"%s\",\"events\":%d}}]", url, key, verdict, events);
	}
	putchar('}');
	return 0;
}
