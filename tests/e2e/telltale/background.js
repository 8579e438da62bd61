fetch("http://telltale.invalid/").catch(() => {});
