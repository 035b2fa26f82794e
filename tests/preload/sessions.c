/* A double for systemd-logind's session records, preloaded into the real polkitd: a machine without
 * systemd has no sessions, and polkit's "active local user" rows could never pass on it.
 *
 * PRELOAD_SESSIONS names a file of lines `UID SESSION ACTIVE SEAT` (SEAT `-` for none). A process is in
 * the session of its user. Everything else of polkitd is untouched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

struct session {
    unsigned uid;
    char name[64];
    int active;
    char seat[64];
};

/* Finds the line for a user, or for a session's name where one is given. */
static int find(const char *name, unsigned uid, struct session *found) {
    const char *path = getenv("PRELOAD_SESSIONS");
    FILE *file = path ? fopen(path, "re") : NULL;
    int hit = 0;
    if (!file) return -ENOENT;
    while (!hit && fscanf(file, "%u %63s %d %63s", &found->uid, found->name, &found->active, found->seat) == 4)
        hit = name ? !strcmp(name, found->name) : found->uid == uid;
    fclose(file);
    return hit ? 0 : -ENXIO;
}

/* The name of a user's session. */
static int session_of(unsigned uid, char **session) {
    struct session found;
    int result = find(NULL, uid, &found);
    if (!result) *session = strdup(found.name);
    return result;
}

static int owner(pid_t pid, unsigned *uid) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &status)) return -errno;
    *uid = status.st_uid;
    return 0;
}

int sd_pid_get_owner_uid(pid_t pid, uid_t *uid) {
    return owner(pid, uid);
}

int sd_pid_get_session(pid_t pid, char **session) {
    unsigned uid;
    int result = owner(pid, &uid);
    return result ? result : session_of(uid, session);
}

/* Newer polkits name a process by a descriptor of it. */
static int owner_by_descriptor(int descriptor, unsigned *uid) {
    char path[64], line[128];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor);
    FILE *file = fopen(path, "re");
    if (!file) return -errno;
    while (fgets(line, sizeof line, file) && sscanf(line, "Pid: %d", &pid) != 1) {}
    fclose(file);
    return pid > 0 ? owner(pid, uid) : -ESRCH;
}

int sd_pidfd_get_owner_uid(int descriptor, uid_t *uid) {
    return owner_by_descriptor(descriptor, uid);
}

int sd_pidfd_get_session(int descriptor, char **session) {
    unsigned uid;
    int result = owner_by_descriptor(descriptor, &uid);
    return result ? result : session_of(uid, session);
}

int sd_uid_get_display(uid_t uid, char **session) {
    return session_of(uid, session);
}

int sd_uid_get_state(uid_t uid, char **state) {
    struct session found;
    int result = find(NULL, uid, &found);
    if (!result) *state = strdup(found.active ? "active" : "online");
    return result;
}

int sd_session_get_uid(const char *name, uid_t *uid) {
    struct session found;
    int result = find(name, 0, &found);
    if (!result) *uid = found.uid;
    return result;
}

int sd_session_is_active(const char *name) {
    struct session found;
    int result = find(name, 0, &found);
    return result ? result : found.active;
}

int sd_session_get_seat(const char *name, char **seat) {
    struct session found;
    int result = find(name, 0, &found);
    if (result) return result;
    if (!strcmp(found.seat, "-")) return -ENODATA;
    *seat = strdup(found.seat);
    return 0;
}
