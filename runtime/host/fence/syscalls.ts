/** The system calls that a fenced worker is refused, and why; numbers for both architectures. */

export type Architecture = "x64" | "arm64";

interface Refusal {
  readonly why: string;
  /** Name → [x64, arm64]; undefined where the architecture has no such call. */
  readonly calls: Readonly<Record<string, readonly [number | undefined, number | undefined]>>;
}

/** All of these answer EPERM. Where only some arguments are refused, `seccomp.ts` says which. */
export const REFUSALS: readonly Refusal[] = [
  {
    why: "a worker starts no process (threads are made with clone, and execve stays open: see docs/fences.md)",
    calls: { fork: [57, undefined], vfork: [58, undefined], execveat: [322, 281], memfd_create: [319, 279] },
  },
  {
    why: "a worker has the one socket it was born with, and only reads and writes it; a message could carry descriptors",
    calls: {
      socket: [41, 198],
      socketpair: [53, 199],
      bind: [49, 200],
      listen: [50, 201],
      accept: [43, 202],
      accept4: [288, 242],
      connect: [42, 203],
      sendto: [44, 206],
      recvfrom: [45, 207],
      sendmsg: [46, 211],
      recvmsg: [47, 212],
      sendmmsg: [307, 269],
      recvmmsg: [299, 243],
      setsockopt: [54, 208],
    },
  },
  {
    why: "other processes: their memory, their descriptors, their handles",
    calls: {
      ptrace: [101, 117],
      process_vm_readv: [310, 270],
      process_vm_writev: [311, 271],
      process_madvise: [440, 440],
      process_mrelease: [448, 448],
      kcmp: [312, 272],
      pidfd_open: [434, 434],
      pidfd_getfd: [438, 438],
      pidfd_send_signal: [424, 424],
    },
  },
  {
    why: "mounts, and files named by something other than a path in this root",
    calls: {
      mount: [165, 40],
      umount2: [166, 39],
      pivot_root: [155, 41],
      chroot: [161, 51],
      open_tree: [428, 428],
      move_mount: [429, 429],
      fsopen: [430, 430],
      fsconfig: [431, 431],
      fsmount: [432, 432],
      fspick: [433, 433],
      mount_setattr: [442, 442],
      name_to_handle_at: [303, 264],
      open_by_handle_at: [304, 265],
      fanotify_init: [300, 262],
      fanotify_mark: [301, 263],
      quotactl: [179, 60],
      quotactl_fd: [443, 443],
      swapon: [167, 224],
      swapoff: [168, 225],
    },
  },
  {
    why: "a new namespace brings back capabilities, and with them most of the kernel",
    calls: { unshare: [272, 97], setns: [308, 268] },
  },
  {
    why: "identity is settled before the worker starts",
    calls: {
      setuid: [105, 146],
      setgid: [106, 144],
      setreuid: [113, 145],
      setregid: [114, 143],
      setresuid: [117, 147],
      setresgid: [119, 149],
      setfsuid: [122, 151],
      setfsgid: [123, 152],
      setgroups: [116, 159],
      capset: [126, 91],
      personality: [135, 92],
    },
  },
  {
    why: "parts of the kernel with a history of holes, none of which a worker needs",
    calls: {
      bpf: [321, 280],
      perf_event_open: [298, 241],
      userfaultfd: [323, 282],
      io_uring_setup: [425, 425],
      io_uring_enter: [426, 426],
      io_uring_register: [427, 427],
      keyctl: [250, 219],
      add_key: [248, 217],
      request_key: [249, 218],
      seccomp: [317, 277],
      vmsplice: [278, 75],
      splice: [275, 76],
      tee: [276, 77],
      remap_file_pages: [216, 234],
      move_pages: [279, 239],
      migrate_pages: [256, 238],
      mbind: [237, 235],
      set_mempolicy: [238, 237],
      set_mempolicy_home_node: [450, 450],
      modify_ldt: [154, undefined],
      iopl: [172, undefined],
      ioperm: [173, undefined],
      uselib: [134, undefined],
      lookup_dcookie: [212, 18],
    },
  },
  {
    why: "memory and messages shared between processes",
    calls: {
      shmget: [29, 194],
      shmat: [30, 196],
      shmctl: [31, 195],
      semget: [64, 190],
      semop: [65, 193],
      semtimedop: [220, 192],
      semctl: [66, 191],
      msgget: [68, 186],
      msgsnd: [69, 189],
      msgrcv: [70, 188],
      msgctl: [71, 187],
      mq_open: [240, 180],
      mq_unlink: [241, 181],
    },
  },
  {
    why: "the machine itself",
    calls: {
      kexec_load: [246, 104],
      kexec_file_load: [320, 294],
      init_module: [175, 105],
      finit_module: [313, 273],
      delete_module: [176, 106],
      reboot: [169, 142],
      acct: [163, 89],
      syslog: [103, 116],
      vhangup: [153, 58],
      settimeofday: [164, 170],
      clock_settime: [227, 112],
      clock_adjtime: [305, 266],
      adjtimex: [159, 171],
      sethostname: [170, 161],
      setdomainname: [171, 162],
    },
  },
];

/** Refused unless it makes a thread of the process. */
export const CLONE = { x64: 56, arm64: 220 } as const;
/** Its arguments stand in memory, where a filter can not look: "not there" makes the C library use clone. */
export const CLONE3 = 435;
/** Refused where it would install another filter. */
export const PRCTL = { x64: 157, arm64: 167 } as const;
/** `mseal`. What is newer did not exist when this table was written: it is "not there" either. */
export const NEWEST_KNOWN = 462;
